// What the 512-bit GEMM kernels make of 32 columns of accumulators: all epilogues of kernels.h. Included by
// avx512vnni.cc and amx.cc only; each has its own copy, compiled for its own instruction set.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vectors_512.h"

#include <immintrin.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kTileBytes = 1024;

// 32 columns of one row, s32: in registers, or in memory, whence the loads bring odd lanes into even ones without a
// vector instruction. Epilogues take both.
struct Row {
  __m512i left, right;
  __m512i odd_left() const { return _mm512_srli_epi64(left, 32); }
  __m512i odd_right() const { return _mm512_srli_epi64(right, 32); }
};
struct StoredRow {
  explicit StoredRow(const int32_t* from) : left(load(from)), right(load(from + 16)), from(from) {}
  operator Row() const { return {left, right}; }
  __m512i odd_left() const { return odd(from); }
  __m512i odd_right() const { return odd(from + 16); }
  static __m512i odd(const int32_t* from) {
    __m512i result;  // the compiler would shift what it has loaded already
    __asm__("vmovshdup %1, %0" : "=v"(result) : "m"(*reinterpret_cast<const __m512i*>(from)));
    return result;
  }
  __m512i left, right;
  const int32_t* from;
};

// The 16-bit values of a row as vpackssdw leaves them: of each 128-bit lane l, columns 4l .. 4l+3 and 16+4l .. 16+4l+3.
__m512i pack(Row r) { return _mm512_packs_epi32(r.left, r.right); }

// 32 values in column order to the order of pack(), and back.
__m512i to_packed_order(__m512i values) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), values);
}
__m512i to_column_order(__m512i packed) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed);
}

// A 32-column group of a byte matrix; rows 0 and 1 of a pair lie in one tile.
struct ByteRows {
  explicit ByteRows(const ByteMatrix& out) : out(out), column(out.data) {}
  void start_panel(int j) { column = out.data + j / kTileDepth * out.chunk_stride + j % kTileDepth; }
  [[gnu::always_inline]] void store(unsigned row, __m512i pair) const {
    uint8_t* to = column + ptrdiff_t{row / kTileRows} * out.tile_stride + ptrdiff_t{row % kTileRows} * out.row_stride;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_castsi512_si256(pair));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + out.row_stride), _mm512_extracti64x4_epi64(pair, 1));
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
        rounding_(_mm512_set1_epi32(int32_t{1} << (gemm.shift - 33))),
        count_(_mm512_set1_epi32(gemm.shift - 32)),
        pre_shift_(gemm.pre_shift) {}
  void start_panel(int column) {
    even_[0] = load(multiplier_ + column);
    even_[1] = load(multiplier_ + column + 16);
    odd_[0] = _mm512_srli_epi64(even_[0], 32);
    odd_[1] = _mm512_srli_epi64(even_[1], 32);
  }
  template <class AnyRow>
  [[gnu::always_inline]] Row operator()(AnyRow accumulator) const {
    if (pre_shift_ != 0) return shifted(Row{pre_shifted(accumulator.left), pre_shifted(accumulator.right)});
    return shifted(accumulator);
  }

 private:
  template <class AnyRow>
  [[gnu::always_inline]] Row shifted(AnyRow accumulator) const {
    return {half(accumulator.left, accumulator.odd_left(), 0), half(accumulator.right, accumulator.odd_right(), 1)};
  }
  [[gnu::always_inline]] __m512i pre_shifted(__m512i accumulator) const {
    const __m512i high = _mm512_set1_epi32(INT32_MAX >> pre_shift_),
                  low = _mm512_set1_epi32(~(INT32_MAX >> pre_shift_));
    const __m512i clamped = _mm512_min_epi32(_mm512_max_epi32(accumulator, low), high);
    return _mm512_sll_epi32(clamped, _mm_cvtsi32_si128(pre_shift_));
  }
  [[gnu::always_inline]] __m512i half(__m512i accumulator, __m512i odd_lanes, int side) const {
    const __m512i even = _mm512_mul_epi32(accumulator, even_[side]), odd = _mm512_mul_epi32(odd_lanes, odd_[side]);
    const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
    return _mm512_srav_epi32(_mm512_add_epi32(high, rounding_), count_);
  }
  const int32_t* multiplier_;
  __m512i rounding_, count_;
  int pre_shift_;
  __m512i even_[2], odd_[2];
};

// Epilogues: start_panel(column), then store(row, accumulators) for two rows at a time, the first one even.

// clamp(r + zero_point, low, high) = low + min(satu8(r + zero_point - low), high - low).
class BytesEpilogue {
 public:
  BytesEpilogue(const Gemm& gemm, const ToBytes& to)
      : requantize_(gemm),
        out_(to.out),
        offset_(_mm512_set1_epi16(static_cast<int16_t>(to.zero_point - to.low))),
        range_(_mm512_set1_epi8(static_cast<int8_t>(to.high - to.low))),
        low_(_mm512_set1_epi8(static_cast<int8_t>(to.low))) {}
  void start_panel(int column) {
    requantize_.start_panel(column);
    out_.start_panel(column);
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    const __m512i bytes = to_bytes(shorts(first), shorts(second));
    out_.store(row, _mm512_add_epi8(_mm512_min_epu8(bytes, range_), low_));
  }

 private:
  template <class AnyRow>
  [[gnu::always_inline]] __m512i shorts(AnyRow accumulator) const {
    return _mm512_adds_epi16(pack(requantize_(accumulator)), offset_);
  }
  Requantize requantize_;
  ByteRows out_;
  __m512i offset_, range_, low_;
};

class GeluEpilogue {
 public:
  GeluEpilogue(const Gemm& gemm, const Gelu& to)
      : requantize_(gemm),
        out_(to.out),
        fine_(to.fine),
        offsets_(to.offset),
        limit_(_mm512_set1_epi16(static_cast<int16_t>(to.limit))),
        inverse_(_mm512_set1_epi16(static_cast<int16_t>(to.inverse))),
        slope_(load(to.slope)),
        base_(_mm512_mask_add_epi16(load(to.base), 0xaaaaaaaa, load(to.base), slope_)),
        normalize_(_mm512_set1_epi16(static_cast<int16_t>(to.normalize))),
        fraction_bits_(_mm512_set1_epi16(static_cast<int16_t>(to.fraction_bits))),
        fine_shift_(_mm512_set1_epi16(static_cast<int16_t>(to.fraction_bits - to.fine_bits))),
        largest_(_mm512_set1_epi16(static_cast<int16_t>(255 << to.fraction_bits))),
        fine_mask_(_mm512_set1_epi16(static_cast<int16_t>((1 << to.fine_bits) - 1))),
        has_fine_(to.fine_bits > 0) {}
  void start_panel(int column) {
    requantize_.start_panel(column);
    out_.start_panel(column);
    if (has_fine_) fine_.start_panel(column);
    offset_ = to_packed_order(load(offsets_ + column));
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    const __m512i v = gelu(first), w = gelu(second);
    out_.store(row, to_bytes(_mm512_srav_epi16(v, fraction_bits_), _mm512_srav_epi16(w, fraction_bits_)));
    if (has_fine_) fine_.store(row, to_bytes(fine(v), fine(w)));
  }

 private:
  [[gnu::always_inline]] __m512i fine(__m512i v) const {
    const __m512i clamped = _mm512_min_epi16(_mm512_max_epi16(v, _mm512_setzero_si512()), largest_);
    return _mm512_and_si512(_mm512_srlv_epi16(clamped, fine_shift_), fine_mask_);
  }
  template <class AnyRow>
  [[gnu::always_inline]] __m512i gelu(AnyRow accumulator) const {
    const __m512i x = pack(requantize_(accumulator));
    const __m512i magnitude = _mm512_min_epu16(_mm512_abs_epi16(x), limit_);
    const __m512i position = _mm512_mulhi_epu16(_mm512_sllv_epi16(magnitude, normalize_), inverse_);
    const __m512i p = _mm512_min_epu16(position, _mm512_set1_epi16(32767));
    const __m512i cell = _mm512_srli_epi16(p, 10), within = _mm512_slli_epi16(p, 5);
    const __m512i rise = _mm512_mulhrs_epi16(_mm512_permutexvar_epi16(cell, slope_), within);
    const __m512i t = _mm512_add_epi16(_mm512_permutexvar_epi16(cell, base_), rise);
    const __m512i sum = _mm512_adds_epi16(_mm512_max_epi16(x, _mm512_setzero_si512()), t);
    return _mm512_adds_epi16(sum, offset_);
  }
  Requantize requantize_;
  ByteRows out_, fine_;
  const int16_t* offsets_;
  __m512i limit_, inverse_, slope_;
  __m512i base_;  // in odd cells plus the slope, which bit 15 of `within`, the lowest bit of the cell, takes away: no
                  // mask is needed
  __m512i offset_, normalize_, fraction_bits_, fine_shift_, largest_, fine_mask_;
  bool has_fine_;
};

class StreamEpilogue {
 public:
  StreamEpilogue(const Gemm& gemm, const AddToStream& to) : requantize_(gemm), to_(to), column_(to.stream) {}
  void start_panel(int column) {
    requantize_.start_panel(column);
    column_ = to_.stream + column;
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    add(column_ + ptrdiff_t{row} * to_.stride, first);
    add(column_ + ptrdiff_t{row + 1} * to_.stride, second);
  }

 private:
  template <class AnyRow>
  [[gnu::always_inline]] void add(int16_t* stream, AnyRow accumulator) const {
    const __m512i r = to_column_order(pack(requantize_(accumulator)));
    _mm512_storeu_si512(stream, _mm512_adds_epi16(r, load(stream)));
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
        zero_point_(_mm512_set1_epi32(to.zero_point)),
        product_multiplier_(_mm512_set1_epi32(to.product_multiplier)),
        stream_multiplier_(_mm512_set1_epi32(to.stream_multiplier)),
        low_(_mm512_set1_epi32(to.low)),
        high_(_mm512_set1_epi32(to.high)) {}
  void start_panel(int column) {
    requantize_.start_panel(column);
    column_ = to_.stream + column;
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    add(column_ + ptrdiff_t{row} * to_.stride, requantize_(first));
    add(column_ + ptrdiff_t{row + 1} * to_.stride, requantize_(second));
  }

 private:
  [[gnu::always_inline]] void add(int16_t* stream, Row r) const {
    const __m512i left = sum(r.left, stream), right = sum(r.right, stream + 16);
    _mm512_storeu_si512(stream, to_column_order(_mm512_packs_epi32(left, right)));
  }
  [[gnu::always_inline]] __m512i sum(__m512i r, const int16_t* from) const {
    const __m512i stream = _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
    const __m512i code = clamp(_mm512_add_epi32(r, zero_point_), _mm512_setzero_si512(), _mm512_set1_epi32(255));
    const __m512i product = _mm512_mullo_epi32(_mm512_sub_epi32(code, zero_point_), product_multiplier_);
    const __m512i both = _mm512_add_epi32(product, _mm512_mullo_epi32(stream, stream_multiplier_));
    return clamp(_mm512_srai_epi32(_mm512_add_epi32(both, _mm512_set1_epi32(1 << 19)), 20), low_, high_);
  }
  static __m512i clamp(__m512i value, __m512i low, __m512i high) {
    return _mm512_min_epi32(_mm512_max_epi32(value, low), high);
  }
  Requantize requantize_;
  AddToStream8 to_;
  int16_t* column_;
  __m512i zero_point_, product_multiplier_, stream_multiplier_, low_, high_;
};

class ShortsEpilogue {
 public:
  ShortsEpilogue(const Gemm& gemm, const ToShorts& to)
      : requantize_(gemm), to_(to), column_(to.out), zero_point_(_mm512_set1_epi32(to.zero_point)) {}
  void start_panel(int column) {
    requantize_.start_panel(column);
    column_ = to_.out + column;
  }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    put(column_ + ptrdiff_t{row} * to_.stride, requantize_(first));
    put(column_ + ptrdiff_t{row + 1} * to_.stride, requantize_(second));
  }

 private:
  [[gnu::always_inline]] void put(int16_t* out, Row r) const {
    const Row sum = {_mm512_add_epi32(r.left, zero_point_), _mm512_add_epi32(r.right, zero_point_)};
    _mm512_storeu_si512(out, to_column_order(pack(sum)));
  }
  Requantize requantize_;
  ToShorts to_;
  int16_t* column_;
  __m512i zero_point_;
};

class AccumulatorsEpilogue {
 public:
  AccumulatorsEpilogue(const Gemm&, const ToAccumulators& to) : to_(to), column_(to.out) {}
  void start_panel(int column) { column_ = to_.out + column; }
  template <class AnyRow>
  [[gnu::always_inline]] void store(unsigned row, AnyRow first, AnyRow second) const {
    put(column_ + ptrdiff_t{row} * to_.stride, first);
    put(column_ + ptrdiff_t{row + 1} * to_.stride, second);
  }

 private:
  static void put(int32_t* out, Row accumulator) {
    _mm512_storeu_si512(out, accumulator.left);
    _mm512_storeu_si512(out + 16, accumulator.right);
  }
  ToAccumulators to_;
  int32_t* column_;
};

}  // namespace
}  // namespace octavo::kernels
