// What the 512-bit attention kernels make of the products of probabilities and values: the context's codes.
#pragma once

#include "kernels/attention/blocks_512.h"

namespace octavo::kernels {
namespace {

// (sum * multiplier + 2^(shift-1)) >> shift by high halves of even and odd lanes, see kernels.h.
__m512i requantize(__m512i sum, __m512i multiplier, __m512i rounding, __m512i shift) {
  const __m512i even = _mm512_mul_epi32(sum, multiplier);
  const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(sum, 32), multiplier);
  const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
  return _mm512_srav_epi32(_mm512_add_epi32(high, rounding), shift);
}

// What a gate per element makes of `count` columns of one query, in the order that vpackssdw leaves: codes, not yet
// clamped.
__m512i gated(const Attention& attention, int query, int column, int count, __m512i context) {
  const int16_t* from = attention.element_gate + query * attention.element_gate_stride + column;
  const __m512i gates = to_packed_order(_mm512_maskz_loadu_epi16(low_bits(count), from));
  const int fraction = attention.constants->gate_fraction;
  const int more = (attention.constants->zero_point << fraction) + ((1 << fraction) >> 1);
  const __m512i sum = _mm512_adds_epi16(_mm512_mulhrs_epi16(context, gates), all_16(more));
  return _mm512_srav_epi16(sum, all_16(fraction));
}

// `count` columns, at most 32, of one row of the block, 16-bit values in the order that vpackssdw leaves.
__m512i context_row(const Attention& attention, const Block& block, int row, int column, int count, __m512i left,
                    __m512i right) {
  const __m512i multiplier = _mm512_set1_epi32(block.by.multiplier[row]);
  const __m512i rounding = _mm512_set1_epi32(int32_t{1} << (block.by.shift[row] - 33));
  const __m512i shift = _mm512_set1_epi32(block.by.shift[row] - 32);
  const __m512i shorts =
      _mm512_packs_epi32(requantize(left, multiplier, rounding, shift), requantize(right, multiplier, rounding, shift));
  if (attention.element_gate != nullptr)
    return gated(attention, block.first + row, column, row < block.rows ? count : 0, shorts);
  return _mm512_adds_epi16(shorts, _mm512_set1_epi16(static_cast<int16_t>(attention.constants->zero_point)));
}

// `count` columns of one row of the context. They may reach into the next 64-column chunk, which need not follow.
void store_columns(const ByteMatrix& out, ptrdiff_t row, int column, int count, __m256i bytes) {
  uint8_t* line = out.data + row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride;
  const int chunk = column / kTileDepth, room = kTileDepth - column % kTileDepth;
  uint8_t* to = line + chunk * out.chunk_stride + column % kTileDepth;
  if (count == 32 && room >= 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
    return;
  }
  const __mmask32 all = low_bits(count), here = low_bits(least(count, room));
  _mm256_mask_storeu_epi8(to, here, bytes);
  if (room < count) _mm256_mask_storeu_epi8(line + (chunk + 1) * out.chunk_stride - room, all & ~here, bytes);
}

// The same of up to two rows of the head from `query` on.
void store_rows(const Attention& attention, const ByteMatrix& out, int query, int rows, int column, int count,
                __m512i bytes) {
  const ptrdiff_t row = attention.context_row + query;
  const int to = attention.context_column + column;
  if (rows > 0) store_columns(out, row, to, count, _mm512_castsi512_si256(bytes));
  if (rows > 1) store_columns(out, row + 1, to, count, _mm512_extracti64x4_epi64(bytes, 1));
}

__m512i eleven_bits(__m512i shorts) {
  return _mm512_min_epi16(_mm512_max_epi16(shorts, _mm512_setzero_si512()), _mm512_set1_epi16(2047));
}

// Columns column .. column + count - 1, at most 32, of the contexts of two rows of the block.
void store_two(const Attention& attention, const Block& block, int row, int column, int count,
               const __m512i (&first)[2], const __m512i (&second)[2]) {
  const __m512i one = context_row(attention, block, row, column, count, first[0], first[1]);
  const __m512i two = context_row(attention, block, row + 1, column, count, second[0], second[1]);
  const int query = block.first + row, rows = least(2, block.rows - row);
  if (attention.fine.data == nullptr) {
    store_rows(attention, attention.context, query, rows, column, count, to_u8(one, two));
    return;
  }
  const __m512i code_one = eleven_bits(one), code_two = eleven_bits(two), seven = _mm512_set1_epi16(7);
  store_rows(attention, attention.context, query, rows, column, count,
             to_u8(_mm512_srli_epi16(code_one, 3), _mm512_srli_epi16(code_two, 3)));
  store_rows(attention, attention.fine, query, rows, column, count,
             to_u8(_mm512_and_si512(code_one, seven), _mm512_and_si512(code_two, seven)));
}

}  // namespace
}  // namespace octavo::kernels
