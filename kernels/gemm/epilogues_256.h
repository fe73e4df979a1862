// What the 256-bit GEMM kernels make of 16 columns of accumulators: all epilogues of kernels.h. Included by avx2.cc and
// avxvnni.cc only; each has its own copy, compiled for its own instruction set.
#pragma once

#include "kernels/kernels.h"

#include <immintrin.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockColumns = 16;
constexpr int kTileBytes = 1024;
constexpr int kPrefetch =
    4096;  // bytes ahead in the weights of few rows: the processor's own prefetch stops at every page

// 16 columns of one row, s32.
struct Row {
  __m256i left, right;
};

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void put(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }

// The 16-bit values of a row as vpackssdw leaves them: of each 128-bit lane l, columns 4l .. 4l+3 and 8+4l .. 8+4l+3.
__m256i pack(Row r) { return _mm256_packs_epi32(r.left, r.right); }

// Swaps the middle quarters: the order of pack() to column order, and back.
__m256i reorder(__m256i values) { return _mm256_permute4x64_epi64(values, 0b11011000); }

// Two rows of unsigned bytes in column order, the first in the low half, from two packed rows.
__m256i to_bytes(__m256i first, __m256i second) {
  return _mm256_permutevar8x32_epi32(_mm256_packus_epi16(first, second), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

__m256i clamp(__m256i value, __m256i low, __m256i high) { return _mm256_min_epi32(_mm256_max_epi32(value, low), high); }

// A 16-column group of a byte matrix; rows 0 and 1 of a pair lie in one tile.
struct ByteRows {
  explicit ByteRows(const ByteMatrix& out) : out(out), column(out.data) {}
  void start_columns(int j) { column = out.data + j / kTileDepth * out.chunk_stride + j % kTileDepth; }
  void store(int row, __m256i pair) const {
    uint8_t* to = column + row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_castsi256_si128(pair));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + out.row_stride), _mm256_extracti128_si256(pair, 1));
  }
  ByteMatrix out;
  uint8_t* column;
};

// (accumulator * multiplier + 2^(shift-1)) >> shift by high halves: vpmuldq multiplies even lanes to 64 bits, and the
// odd lanes after a shift; their high halves are merged. See kernels.h.
class Requantize {
 public:
  explicit Requantize(const Gemm& gemm)
      : multiplier_(gemm.multiplier),
        rounding_(_mm256_set1_epi32(int32_t{1} << (gemm.shift - 33))),
        count_(_mm_cvtsi32_si128(gemm.shift - 32)),
        pre_shift_(gemm.pre_shift) {}
  void start_columns(int column) {
    even_[0] = load(multiplier_ + column);
    even_[1] = load(multiplier_ + column + 8);
    odd_[0] = _mm256_srli_epi64(even_[0], 32);
    odd_[1] = _mm256_srli_epi64(even_[1], 32);
  }
  Row operator()(Row accumulator) const {
    if (pre_shift_ != 0) accumulator = {pre_shifted(accumulator.left), pre_shifted(accumulator.right)};
    return {half(accumulator.left, 0), half(accumulator.right, 1)};
  }

 private:
  __m256i pre_shifted(__m256i accumulator) const {
    const __m256i high = _mm256_set1_epi32(INT32_MAX >> pre_shift_),
                  low = _mm256_set1_epi32(~(INT32_MAX >> pre_shift_));
    const __m256i clamped = _mm256_min_epi32(_mm256_max_epi32(accumulator, low), high);
    return _mm256_sll_epi32(clamped, _mm_cvtsi32_si128(pre_shift_));
  }
  __m256i half(__m256i accumulator, int side) const {
    const __m256i even = _mm256_mul_epi32(accumulator, even_[side]);
    const __m256i odd = _mm256_mul_epi32(_mm256_srli_epi64(accumulator, 32), odd_[side]);
    const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b10101010);
    return _mm256_sra_epi32(_mm256_add_epi32(high, rounding_), count_);
  }
  const int32_t* multiplier_;
  __m256i rounding_;
  __m128i count_;
  int pre_shift_;
  __m256i even_[2], odd_[2];
};

// 32 values of 16 bits, looked up by 16-bit indices 0..31: vpshufb finds one of 8 in each quarter, and two bits of the
// index choose the quarter.
class Table {
 public:
  explicit Table(const int16_t* values) {
    for (int i = 0; i < 4; ++i) {
      quarter_[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values + 8 * i)));
    }
  }
  // The two bytes 2i, 2i + 1 of each index i.
  static __m256i byte_indices(__m256i index) {
    return _mm256_add_epi16(_mm256_mullo_epi16(index, _mm256_set1_epi16(0x0202)), _mm256_set1_epi16(0x0100));
  }
  __m256i operator[](__m256i bytes) const {
    const __m256i bit4 = _mm256_slli_epi16(bytes, 3), bit5 = _mm256_slli_epi16(bytes, 2);  // as signs of the bytes
    return _mm256_blendv_epi8(half(bytes, bit4, 0), half(bytes, bit4, 2), bit5);
  }

 private:
  __m256i half(__m256i bytes, __m256i upper, int first) const {
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(quarter_[first], bytes),
                              _mm256_shuffle_epi8(quarter_[first + 1], bytes), upper);
  }
  __m256i quarter_[4];
};

// Epilogues: start_columns(column), then store(row, accumulators) for two rows at a time, the first one even.

// clamp(r + zero_point, low, high) = low + min(satu8(r + zero_point - low), high - low).
class BytesEpilogue {
 public:
  BytesEpilogue(const Gemm& gemm, const ToBytes& to)
      : requantize_(gemm),
        out_(to.out),
        offset_(_mm256_set1_epi16(static_cast<int16_t>(to.zero_point - to.low))),
        range_(_mm256_set1_epi8(static_cast<int8_t>(to.high - to.low))),
        low_(_mm256_set1_epi8(static_cast<int8_t>(to.low))) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    out_.start_columns(column);
  }
  void store(int row, Row first, Row second) const {
    const __m256i bytes = to_bytes(shorts(first), shorts(second));
    out_.store(row, _mm256_add_epi8(_mm256_min_epu8(bytes, range_), low_));
  }

 private:
  __m256i shorts(Row accumulator) const { return _mm256_adds_epi16(pack(requantize_(accumulator)), offset_); }
  Requantize requantize_;
  ByteRows out_;
  __m256i offset_, range_, low_;
};

class GeluEpilogue {
 public:
  GeluEpilogue(const Gemm& gemm, const Gelu& to)
      : requantize_(gemm),
        out_(to.out),
        fine_(to.fine),
        base_(to.base),
        slope_(to.slope),
        offsets_(to.offset),
        limit_(_mm256_set1_epi16(static_cast<int16_t>(to.limit))),
        inverse_(_mm256_set1_epi16(static_cast<int16_t>(to.inverse))),
        normalize_(_mm_cvtsi32_si128(to.normalize)),
        fraction_bits_(_mm_cvtsi32_si128(to.fraction_bits)),
        fine_shift_(_mm_cvtsi32_si128(to.fraction_bits - to.fine_bits)),
        largest_(_mm256_set1_epi16(static_cast<int16_t>(255 << to.fraction_bits))),
        fine_mask_(_mm256_set1_epi16(static_cast<int16_t>((1 << to.fine_bits) - 1))),
        has_fine_(to.fine_bits > 0) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    out_.start_columns(column);
    if (has_fine_) fine_.start_columns(column);
    offset_ = reorder(load(offsets_ + column));
  }
  void store(int row, Row first, Row second) const {
    const __m256i v = gelu(first), w = gelu(second);
    out_.store(row, to_bytes(_mm256_sra_epi16(v, fraction_bits_), _mm256_sra_epi16(w, fraction_bits_)));
    if (has_fine_) fine_.store(row, to_bytes(fine(v), fine(w)));
  }

 private:
  __m256i fine(__m256i v) const {
    const __m256i clamped = _mm256_min_epi16(_mm256_max_epi16(v, _mm256_setzero_si256()), largest_);
    return _mm256_and_si256(_mm256_srl_epi16(clamped, fine_shift_), fine_mask_);
  }
  __m256i gelu(Row accumulator) const {
    const __m256i x = pack(requantize_(accumulator));
    const __m256i magnitude = _mm256_min_epu16(_mm256_abs_epi16(x), limit_);
    const __m256i position = _mm256_mulhi_epu16(_mm256_sll_epi16(magnitude, normalize_), inverse_);
    const __m256i p = _mm256_min_epu16(position, _mm256_set1_epi16(32767));
    const __m256i cell = Table::byte_indices(_mm256_srli_epi16(p, 10));
    const __m256i within = _mm256_and_si256(_mm256_slli_epi16(p, 5), _mm256_set1_epi16(1023 << 5));
    const __m256i t = _mm256_add_epi16(base_[cell], _mm256_mulhrs_epi16(slope_[cell], within));
    const __m256i sum = _mm256_adds_epi16(_mm256_max_epi16(x, _mm256_setzero_si256()), t);
    return _mm256_adds_epi16(sum, offset_);
  }
  Requantize requantize_;
  ByteRows out_, fine_;
  Table base_, slope_;
  const int16_t* offsets_;
  __m256i limit_, inverse_, offset_;
  __m128i normalize_, fraction_bits_, fine_shift_;
  __m256i largest_, fine_mask_;
  bool has_fine_;
};

class StreamEpilogue {
 public:
  StreamEpilogue(const Gemm& gemm, const AddToStream& to) : requantize_(gemm), to_(to), column_(to.stream) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    column_ = to_.stream + column;
  }
  void store(int row, Row first, Row second) const {
    add(column_ + row * to_.stride, first);
    add(column_ + (row + 1) * to_.stride, second);
  }

 private:
  void add(int16_t* stream, Row accumulator) const {
    put(stream, _mm256_adds_epi16(reorder(pack(requantize_(accumulator))), load(stream)));
  }
  Requantize requantize_;
  AddToStream to_;
  int16_t* column_;
};

class Stream8Epilogue {
 public:
  Stream8Epilogue(const Gemm& gemm, const AddToStream8& to)
      : requantize_(gemm),
        to_(to),
        column_(to.stream),
        zero_point_(_mm256_set1_epi32(to.zero_point)),
        product_multiplier_(_mm256_set1_epi32(to.product_multiplier)),
        stream_multiplier_(_mm256_set1_epi32(to.stream_multiplier)),
        low_(_mm256_set1_epi32(to.low)),
        high_(_mm256_set1_epi32(to.high)) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    column_ = to_.stream + column;
  }
  void store(int row, Row first, Row second) const {
    add(column_ + row * to_.stride, requantize_(first));
    add(column_ + (row + 1) * to_.stride, requantize_(second));
  }

 private:
  void add(int16_t* stream, Row r) const {
    put(stream, reorder(pack({sum(r.left, stream), sum(r.right, stream + 8)})));
  }
  __m256i sum(__m256i r, const int16_t* from) const {
    const __m256i stream = _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    const __m256i code = clamp(_mm256_add_epi32(r, zero_point_), _mm256_setzero_si256(), _mm256_set1_epi32(255));
    const __m256i product = _mm256_mullo_epi32(_mm256_sub_epi32(code, zero_point_), product_multiplier_);
    const __m256i both = _mm256_add_epi32(product, _mm256_mullo_epi32(stream, stream_multiplier_));
    return clamp(_mm256_srai_epi32(_mm256_add_epi32(both, _mm256_set1_epi32(1 << 19)), 20), low_, high_);
  }
  Requantize requantize_;
  AddToStream8 to_;
  int16_t* column_;
  __m256i zero_point_, product_multiplier_, stream_multiplier_, low_, high_;
};

class ShortsEpilogue {
 public:
  ShortsEpilogue(const Gemm& gemm, const ToShorts& to)
      : requantize_(gemm), to_(to), column_(to.out), zero_point_(_mm256_set1_epi32(to.zero_point)) {}
  void start_columns(int column) {
    requantize_.start_columns(column);
    column_ = to_.out + column;
  }
  void store(int row, Row first, Row second) const {
    store_row(column_ + row * to_.stride, requantize_(first));
    store_row(column_ + (row + 1) * to_.stride, requantize_(second));
  }

 private:
  void store_row(int16_t* out, Row r) const {
    put(out, reorder(pack({_mm256_add_epi32(r.left, zero_point_), _mm256_add_epi32(r.right, zero_point_)})));
  }
  Requantize requantize_;
  ToShorts to_;
  int16_t* column_;
  __m256i zero_point_;
};

class AccumulatorsEpilogue {
 public:
  AccumulatorsEpilogue(const Gemm&, const ToAccumulators& to) : to_(to), column_(to.out) {}
  void start_columns(int column) { column_ = to_.out + column; }
  void store(int row, Row first, Row second) const {
    store_row(column_ + row * to_.stride, first);
    store_row(column_ + (row + 1) * to_.stride, second);
  }

 private:
  static void store_row(int32_t* out, Row accumulator) {
    put(out, accumulator.left);
    put(out + 8, accumulator.right);
  }
  ToAccumulators to_;
  int32_t* column_;
};

}  // namespace
}  // namespace octavo::kernels
