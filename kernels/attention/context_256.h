// What the 256-bit attention kernel makes of the products of probabilities and values: the context's codes.
#pragma once

#include "kernels/attention/blocks_256.h"

namespace octavo::kernels {
namespace {

// Two registers of s32 in 16 columns.
struct Row {
  __m256i left, right;
};

// (sum * multiplier + 2^(shift-1)) >> shift by high halves of even and odd lanes, see kernels.h.
__m256i requantize(__m256i sum, RowMultiplier by) {
  const __m256i m = _mm256_set1_epi32(by.multiplier);
  const __m256i even = _mm256_mul_epi32(sum, m), odd = _mm256_mul_epi32(_mm256_srli_epi64(sum, 32), m);
  const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b10101010);
  const __m256i rounded = _mm256_add_epi32(high, _mm256_set1_epi32(int32_t{1} << (by.shift - 33)));
  return _mm256_sra_epi32(rounded, _mm_cvtsi32_si128(by.shift - 32));
}

// `count` columns of one row of the context. They may reach into the next 64-column chunk, which need not follow.
void store_columns(const ByteMatrix& out, ptrdiff_t row, int column, int count, __m128i bytes) {
  uint8_t* line = out.data + row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride;
  uint8_t* to = line + column / kTileDepth * out.chunk_stride + column % kTileDepth;
  const int room = kTileDepth - column % kTileDepth;
  if (count == 16 && room >= 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    return;
  }
  alignas(16) uint8_t all[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(all), bytes);
  const int here = least(count, room);
  __builtin_memcpy(to, all, static_cast<size_t>(here));
  const int there = count - here;
  if (there > 0) __builtin_memcpy(to + here + out.chunk_stride - kTileDepth, all + here, static_cast<size_t>(there));
}

__m128i to_bytes(__m256i shorts) {
  return _mm_packus_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
}

// What a gate per element makes of `count` columns of one query: codes, not yet clamped.
__m256i gated(const Attention& attention, int query, int column, int count, __m256i context) {
  const int16_t* from = attention.element_gate + query * attention.element_gate_stride + column;
  alignas(32) int16_t some[16] = {};
  if (count < 16) __builtin_memcpy(some, from, static_cast<size_t>(count) * sizeof *from);
  const __m256i gates = load(count < 16 ? some : from);
  const int fraction = attention.constants->gate_fraction;
  const int more = (attention.constants->zero_point << fraction) + ((1 << fraction) >> 1);
  const __m256i sum =
      _mm256_adds_epi16(_mm256_mulhrs_epi16(context, gates), _mm256_set1_epi16(static_cast<int16_t>(more)));
  return _mm256_sra_epi16(sum, _mm_cvtsi32_si128(fraction));
}

// 16 columns of one row of the context from their sums.
void store_context(const Attention& attention, const Block& block, int row, int column, Row sum) {
  const AttentionConstants& constants = *attention.constants;
  const RowMultiplier by = {block.by.multiplier[row], block.by.shift[row]};
  const __m256i zero_point = _mm256_set1_epi16(static_cast<int16_t>(constants.zero_point));
  const __m256i packed = _mm256_packs_epi32(requantize(sum.left, by), requantize(sum.right, by));
  const ptrdiff_t line = attention.context_row + block.first + row;
  const int to = attention.context_column + column, count = least(16, constants.head_size - column);
  const __m256i shorts =
      attention.element_gate != nullptr
          ? gated(attention, block.first + row, column, count, _mm256_permute4x64_epi64(packed, 0b11011000))
          : _mm256_permute4x64_epi64(_mm256_adds_epi16(packed, zero_point), 0b11011000);
  if (attention.fine.data == nullptr) {
    store_columns(attention.context, line, to, count, to_bytes(shorts));
    return;
  }
  const __m256i code = _mm256_min_epi16(_mm256_max_epi16(shorts, _mm256_setzero_si256()), _mm256_set1_epi16(2047));
  store_columns(attention.context, line, to, count, to_bytes(_mm256_srli_epi16(code, 3)));
  store_columns(attention.fine, line, to, count, to_bytes(_mm256_and_si256(code, _mm256_set1_epi16(7))));
}

Row add(Row a, Row b) { return {_mm256_add_epi32(a.left, b.left), _mm256_add_epi32(a.right, b.right)}; }

// Sums of 16-bit probabilities times values: of e = 256 h + l the sum over h, and that over l, which is added in the
// end. Each part is of at most kU16Keys keys, whose sum over e is exact in 32 bits. Of other probabilities, the sum is
// `high` alone.
constexpr int kU16Keys = 512;
struct U16Sum {
  void add_part(Row part) {
    const __m256i byte = _mm256_set1_epi32(255);
    high = add(high, {_mm256_srai_epi32(part.left, 8), _mm256_srai_epi32(part.right, 8)});
    low = add(low, {_mm256_and_si256(part.left, byte), _mm256_and_si256(part.right, byte)});
  }
  Row total() const { return {total(high.left, low.left), total(high.right, low.right)}; }
  static __m256i total(__m256i high, __m256i low) {
    return _mm256_add_epi32(high, _mm256_srai_epi32(_mm256_add_epi32(low, _mm256_set1_epi32(128)), 8));
  }
  Row high = {_mm256_setzero_si256(), _mm256_setzero_si256()}, low = high;
};

}  // namespace
}  // namespace octavo::kernels
