// Vectors of 512 bits: see vectors.h.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers raise both without cause
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

using Vector = __m512i;
constexpr int kVectorBytes = 64;

[[gnu::always_inline]] inline Vector load(const void* from) { return _mm512_loadu_si512(from); }
[[gnu::always_inline]] inline void store(void* to, Vector v) { _mm512_storeu_si512(to, v); }

[[gnu::always_inline]] inline Vector zero() { return _mm512_setzero_si512(); }
[[gnu::always_inline]] inline Vector all_8(int x) { return _mm512_set1_epi8(static_cast<char>(x)); }
[[gnu::always_inline]] inline Vector all_16(int x) { return _mm512_set1_epi16(static_cast<int16_t>(x)); }
[[gnu::always_inline]] inline Vector all_32(int32_t x) { return _mm512_set1_epi32(x); }
[[gnu::always_inline]] inline Vector all_64(int64_t x) { return _mm512_set1_epi64(x); }

[[gnu::always_inline]] inline Vector bit_and(Vector a, Vector b) { return _mm512_and_si512(a, b); }

[[gnu::always_inline]] inline Vector add_8(Vector a, Vector b) { return _mm512_add_epi8(a, b); }
[[gnu::always_inline]] inline Vector min_u8(Vector a, Vector b) { return _mm512_min_epu8(a, b); }
[[gnu::always_inline]] inline Vector max_u8(Vector a, Vector b) { return _mm512_max_epu8(a, b); }

[[gnu::always_inline]] inline Vector add_16(Vector a, Vector b) { return _mm512_add_epi16(a, b); }
[[gnu::always_inline]] inline Vector sub_16(Vector a, Vector b) { return _mm512_sub_epi16(a, b); }
[[gnu::always_inline]] inline Vector add_saturating_s16(Vector a, Vector b) { return _mm512_adds_epi16(a, b); }
[[gnu::always_inline]] inline Vector abs_s16(Vector v) { return _mm512_abs_epi16(v); }
[[gnu::always_inline]] inline Vector min_s16(Vector a, Vector b) { return _mm512_min_epi16(a, b); }
[[gnu::always_inline]] inline Vector max_s16(Vector a, Vector b) { return _mm512_max_epi16(a, b); }
[[gnu::always_inline]] inline Vector min_u16(Vector a, Vector b) { return _mm512_min_epu16(a, b); }
[[gnu::always_inline]] inline Vector mulhi_u16(Vector a, Vector b) { return _mm512_mulhi_epu16(a, b); }
[[gnu::always_inline]] inline Vector mulhrs_s16(Vector a, Vector b) { return _mm512_mulhrs_epi16(a, b); }

[[gnu::always_inline]] inline Vector add_32(Vector a, Vector b) { return _mm512_add_epi32(a, b); }
[[gnu::always_inline]] inline Vector sub_32(Vector a, Vector b) { return _mm512_sub_epi32(a, b); }
[[gnu::always_inline]] inline Vector min_s32(Vector a, Vector b) { return _mm512_min_epi32(a, b); }
[[gnu::always_inline]] inline Vector max_s32(Vector a, Vector b) { return _mm512_max_epi32(a, b); }
[[gnu::always_inline]] inline Vector mul_32(Vector a, Vector b) { return _mm512_mullo_epi32(a, b); }
[[gnu::always_inline]] inline Vector add_64(Vector a, Vector b) { return _mm512_add_epi64(a, b); }

// Shifts by a constant, by a count that all elements share, by one for each element.
template <int kBits>
[[gnu::always_inline]] inline Vector shift_left_16(Vector v) {
  return _mm512_slli_epi16(v, kBits);
}
template <int kBits>
[[gnu::always_inline]] inline Vector shift_right_u16(Vector v) {
  return _mm512_srli_epi16(v, kBits);
}
template <int kBits>
[[gnu::always_inline]] inline Vector shift_right_s32(Vector v) {
  return _mm512_srai_epi32(v, kBits);
}
using Count = __m512i;  // in every element: one operation less than with a count in an xmm register
[[gnu::always_inline]] inline Count count_16(int bits) { return all_16(bits); }
[[gnu::always_inline]] inline Count count_32(int bits) { return all_32(bits); }
[[gnu::always_inline]] inline Vector shift_left_16(Vector v, Count by) { return _mm512_sllv_epi16(v, by); }
[[gnu::always_inline]] inline Vector shift_right_s16(Vector v, Count by) { return _mm512_srav_epi16(v, by); }
[[gnu::always_inline]] inline Vector shift_right_u16(Vector v, Count by) { return _mm512_srlv_epi16(v, by); }
[[gnu::always_inline]] inline Vector shift_right_s32(Vector v, Count by) { return _mm512_srav_epi32(v, by); }
[[gnu::always_inline]] inline Vector shift_left_32(Vector v, int by) {
  return _mm512_sll_epi32(v, _mm_cvtsi32_si128(by));
}
[[gnu::always_inline]] inline Vector shift_each_right_s32(Vector v, Vector by) { return _mm512_srav_epi32(v, by); }
[[gnu::always_inline]] inline Vector shift_each_right_u64(Vector v, Vector by) { return _mm512_srlv_epi64(v, by); }

// 32 x 32 -> 64 bits of even elements; the odd ones in the places of the even ones; of 64-bit products of even and of
// odd elements the high halves, in the places of the elements.
[[gnu::always_inline]] inline Vector mul_even_s32(Vector a, Vector b) { return _mm512_mul_epi32(a, b); }
[[gnu::always_inline]] inline Vector odd_32(Vector v) { return _mm512_srli_epi64(v, 32); }
[[gnu::always_inline]] inline Vector high_halves(Vector even, Vector odd) {
  return _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
}

// Sums of the products of pairs of 16-bit elements.
[[gnu::always_inline]] inline Vector mul_pairs_s16(Vector a, Vector b) { return _mm512_madd_epi16(a, b); }
[[gnu::always_inline]] inline Vector add_pairs_s16(Vector sum, Vector a, Vector b) {
  return _mm512_dpwssd_epi32(sum, a, b);
}

// 16-bit elements of two vectors of 32-bit ones, lane by lane of 128 bits: first four elements of `left`, then four of
// `right`. From this packed order to that of columns, and back.
[[gnu::always_inline]] inline Vector pack_s32(Vector left, Vector right) { return _mm512_packs_epi32(left, right); }
[[gnu::always_inline]] inline Vector to_column_order(Vector packed) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed);
}
[[gnu::always_inline]] inline Vector to_packed_order(Vector values) {
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), values);
}
[[gnu::always_inline]] inline Vector pack_u8(Vector left, Vector right) { return _mm512_packus_epi16(left, right); }
// Two rows of bytes in column order, the first in the low half, from two rows in packed order.
[[gnu::always_inline]] inline Vector to_u8(Vector first, Vector second) {
  const Vector order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, pack_u8(first, second));
}
[[gnu::always_inline]] inline void store_low_half(void* to, Vector v) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), _mm512_castsi512_si256(v));
}
[[gnu::always_inline]] inline void store_high_half(void* to, Vector v) {
  _mm256_storeu_si256(static_cast<__m256i*>(to), _mm512_extracti64x4_epi64(v, 1));
}
[[gnu::always_inline]] inline Vector shuffle_lanes(Vector v, __m128i order) {
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
}

// 16-bit elements as 32-bit ones: from memory, and of either half.
[[gnu::always_inline]] inline Vector load_s16_as_s32(const int16_t* from) {
  return _mm512_cvtepi16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
}
[[gnu::always_inline]] inline Vector low_s16_as_s32(Vector v) {
  return _mm512_cvtepi16_epi32(_mm512_castsi512_si256(v));
}
[[gnu::always_inline]] inline Vector high_s16_as_s32(Vector v) {
  return _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(v, 1));
}

// The pairs of 16-bit values that begin at these places of a table.
[[gnu::always_inline]] inline Vector gather_pairs(const int16_t* table, Vector index) {
  return _mm512_i32gather_epi32(index, table, sizeof(int16_t));
}

// The elements 0, 2, 4 ... and 1, 3, 5 ... of two vectors of 32-bit ones.
struct EvenOdd {
  Vector even, odd;
};
[[gnu::always_inline]] inline EvenOdd even_odd_32(Vector first, Vector second) {
  const Vector even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const Vector odd = add_32(even, all_32(1));
  return {_mm512_permutex2var_epi32(first, even, second), _mm512_permutex2var_epi32(first, odd, second)};
}

// Modulo 2^32 and 2^64; the sum of GCC's own _mm512_reduce_add_epi64 is signed at its end, and may overflow.
[[gnu::always_inline]] inline int32_t sum_of_32(Vector v) { return _mm512_reduce_add_epi32(v); }
[[gnu::always_inline]] inline uint64_t sum_of_64(Vector v) {
  const __m256i four = _mm256_add_epi64(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64(v, 1));
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}

// `count` elements, or all of a vector where there are more; those that are not there are 0, and not written.
[[gnu::always_inline]] inline uint64_t first_bits(int count) {
  return count >= 64 ? ~uint64_t{0} : count <= 0 ? 0 : (uint64_t{1} << count) - 1;
}
[[gnu::always_inline]] inline Vector load_some(const int16_t* from, int count) {
  return count >= 32 ? load(from) : _mm512_maskz_loadu_epi16(static_cast<__mmask32>(first_bits(count)), from);
}
[[gnu::always_inline]] inline Vector load_some(const int32_t* from, int count) {
  return count >= 16 ? load(from) : _mm512_maskz_loadu_epi32(static_cast<__mmask16>(first_bits(count)), from);
}
[[gnu::always_inline]] inline Vector load_some_s8_as_s32(const int8_t* from, int count) {
  return _mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(static_cast<__mmask16>(first_bits(count)), from));
}
[[gnu::always_inline]] inline void store_some(uint8_t* to, int count, Vector v) {
  if (count >= 64) return store(to, v);
  _mm512_mask_storeu_epi8(to, first_bits(count), v);
}
[[gnu::always_inline]] inline void store_some(int16_t* to, int count, Vector v) {
  if (count >= 32) return store(to, v);
  _mm512_mask_storeu_epi16(to, static_cast<__mmask32>(first_bits(count)), v);
}
[[gnu::always_inline]] inline void store_some(int32_t* to, int count, Vector v) {
  if (count >= 16) return store(to, v);
  _mm512_mask_storeu_epi32(to, static_cast<__mmask16>(first_bits(count)), v);
}

// 32 values of 16 bits, looked up by the low five bits of 16-bit elements.
class Table32 {
 public:
  explicit Table32(const int16_t* values) : values_(load(values)) {}
  // With the values of another table added to those of odd indices.
  Table32(const int16_t* values, const Table32& other)
      : values_(_mm512_mask_add_epi16(load(values), 0xaaaaaaaa, load(values), other.values_)) {}
  // What operator[] takes for an index.
  [[gnu::always_inline]] static Vector position(Vector index) { return index; }
  [[gnu::always_inline]] Vector operator[](Vector position) const {
    return _mm512_permutexvar_epi16(position, values_);
  }

 private:
  Vector values_;
};

}  // namespace
}  // namespace octavo::kernels
