// Vectors of 256 bits: see vectors.h.
#pragma once

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

using Vector = __m256i;
constexpr int kVectorBytes = 32;

[[gnu::always_inline]] inline Vector load(const void* from) {
  return _mm256_loadu_si256(static_cast<const Vector*>(from));
}
[[gnu::always_inline]] inline void store(void* to, Vector v) { _mm256_storeu_si256(static_cast<Vector*>(to), v); }

[[gnu::always_inline]] inline Vector zero() { return _mm256_setzero_si256(); }
[[gnu::always_inline]] inline Vector all_8(int x) { return _mm256_set1_epi8(static_cast<char>(x)); }
[[gnu::always_inline]] inline Vector all_16(int x) { return _mm256_set1_epi16(static_cast<int16_t>(x)); }
[[gnu::always_inline]] inline Vector all_32(int32_t x) { return _mm256_set1_epi32(x); }
[[gnu::always_inline]] inline Vector all_64(int64_t x) { return _mm256_set1_epi64x(x); }

[[gnu::always_inline]] inline Vector bit_and(Vector a, Vector b) { return _mm256_and_si256(a, b); }

[[gnu::always_inline]] inline Vector add_8(Vector a, Vector b) { return _mm256_add_epi8(a, b); }
[[gnu::always_inline]] inline Vector min_u8(Vector a, Vector b) { return _mm256_min_epu8(a, b); }
[[gnu::always_inline]] inline Vector max_u8(Vector a, Vector b) { return _mm256_max_epu8(a, b); }

[[gnu::always_inline]] inline Vector add_16(Vector a, Vector b) { return _mm256_add_epi16(a, b); }
[[gnu::always_inline]] inline Vector sub_16(Vector a, Vector b) { return _mm256_sub_epi16(a, b); }
[[gnu::always_inline]] inline Vector add_saturating_s16(Vector a, Vector b) { return _mm256_adds_epi16(a, b); }
[[gnu::always_inline]] inline Vector abs_s16(Vector v) { return _mm256_abs_epi16(v); }
[[gnu::always_inline]] inline Vector min_s16(Vector a, Vector b) { return _mm256_min_epi16(a, b); }
[[gnu::always_inline]] inline Vector max_s16(Vector a, Vector b) { return _mm256_max_epi16(a, b); }
[[gnu::always_inline]] inline Vector min_u16(Vector a, Vector b) { return _mm256_min_epu16(a, b); }
[[gnu::always_inline]] inline Vector mulhi_u16(Vector a, Vector b) { return _mm256_mulhi_epu16(a, b); }
[[gnu::always_inline]] inline Vector mulhrs_s16(Vector a, Vector b) { return _mm256_mulhrs_epi16(a, b); }

[[gnu::always_inline]] inline Vector add_32(Vector a, Vector b) { return _mm256_add_epi32(a, b); }
[[gnu::always_inline]] inline Vector sub_32(Vector a, Vector b) { return _mm256_sub_epi32(a, b); }
[[gnu::always_inline]] inline Vector min_s32(Vector a, Vector b) { return _mm256_min_epi32(a, b); }
[[gnu::always_inline]] inline Vector max_s32(Vector a, Vector b) { return _mm256_max_epi32(a, b); }
[[gnu::always_inline]] inline Vector mul_32(Vector a, Vector b) { return _mm256_mullo_epi32(a, b); }
[[gnu::always_inline]] inline Vector add_64(Vector a, Vector b) { return _mm256_add_epi64(a, b); }

// Shifts by a constant, by a count that all elements share, by one for each element.
template <int kBits>
[[gnu::always_inline]] inline Vector shift_left_16(Vector v) {
  return _mm256_slli_epi16(v, kBits);
}
template <int kBits>
[[gnu::always_inline]] inline Vector shift_right_u16(Vector v) {
  return _mm256_srli_epi16(v, kBits);
}
template <int kBits>
[[gnu::always_inline]] inline Vector shift_right_s32(Vector v) {
  return _mm256_srai_epi32(v, kBits);
}
using Count = __m128i;
[[gnu::always_inline]] inline Count count_16(int bits) { return _mm_cvtsi32_si128(bits); }
[[gnu::always_inline]] inline Count count_32(int bits) { return _mm_cvtsi32_si128(bits); }
[[gnu::always_inline]] inline Vector shift_left_16(Vector v, Count by) { return _mm256_sll_epi16(v, by); }
[[gnu::always_inline]] inline Vector shift_right_s16(Vector v, Count by) { return _mm256_sra_epi16(v, by); }
[[gnu::always_inline]] inline Vector shift_right_u16(Vector v, Count by) { return _mm256_srl_epi16(v, by); }
[[gnu::always_inline]] inline Vector shift_right_s32(Vector v, Count by) { return _mm256_sra_epi32(v, by); }
[[gnu::always_inline]] inline Vector shift_left_32(Vector v, int by) {
  return _mm256_sll_epi32(v, _mm_cvtsi32_si128(by));
}
[[gnu::always_inline]] inline Vector shift_each_right_s32(Vector v, Vector by) { return _mm256_srav_epi32(v, by); }
[[gnu::always_inline]] inline Vector shift_each_right_u64(Vector v, Vector by) { return _mm256_srlv_epi64(v, by); }

// 32 x 32 -> 64 bits of even elements; the odd ones in the places of the even ones; of 64-bit products of even and of
// odd elements the high halves, in the places of the elements.
[[gnu::always_inline]] inline Vector mul_even_s32(Vector a, Vector b) { return _mm256_mul_epi32(a, b); }
[[gnu::always_inline]] inline Vector odd_32(Vector v) { return _mm256_srli_epi64(v, 32); }
[[gnu::always_inline]] inline Vector high_halves(Vector even, Vector odd) {
  return _mm256_blend_epi32(odd_32(even), odd, 0b10101010);
}

// Sums of the products of pairs of 16-bit elements.
[[gnu::always_inline]] inline Vector mul_pairs_s16(Vector a, Vector b) { return _mm256_madd_epi16(a, b); }
[[gnu::always_inline]] inline Vector add_pairs_s16(Vector sum, Vector a, Vector b) {
  return add_32(sum, mul_pairs_s16(a, b));
}

// 16-bit elements of two vectors of 32-bit ones, lane by lane of 128 bits: first four elements of `left`, then four of
// `right`. From this packed order to that of columns, and back.
[[gnu::always_inline]] inline Vector pack_s32(Vector left, Vector right) { return _mm256_packs_epi32(left, right); }
[[gnu::always_inline]] inline Vector to_column_order(Vector packed) {
  return _mm256_permute4x64_epi64(packed, 0b11011000);
}
[[gnu::always_inline]] inline Vector to_packed_order(Vector values) {
  return _mm256_permute4x64_epi64(values, 0b11011000);
}
[[gnu::always_inline]] inline Vector pack_u8(Vector left, Vector right) { return _mm256_packus_epi16(left, right); }
// Two rows of bytes in column order, the first in the low half, from two rows in packed order.
[[gnu::always_inline]] inline Vector to_u8(Vector first, Vector second) {
  return _mm256_permutevar8x32_epi32(pack_u8(first, second), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}
[[gnu::always_inline]] inline void store_low_half(void* to, Vector v) {
  _mm_storeu_si128(static_cast<__m128i*>(to), _mm256_castsi256_si128(v));
}
[[gnu::always_inline]] inline void store_high_half(void* to, Vector v) {
  _mm_storeu_si128(static_cast<__m128i*>(to), _mm256_extracti128_si256(v, 1));
}
[[gnu::always_inline]] inline Vector shuffle_lanes(Vector v, __m128i order) {
  return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
}

// 16-bit elements as 32-bit ones: from memory, and of either half.
[[gnu::always_inline]] inline Vector load_s16_as_s32(const int16_t* from) {
  return _mm256_cvtepi16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
[[gnu::always_inline]] inline Vector low_s16_as_s32(Vector v) {
  return _mm256_cvtepi16_epi32(_mm256_castsi256_si128(v));
}
[[gnu::always_inline]] inline Vector high_s16_as_s32(Vector v) {
  return _mm256_cvtepi16_epi32(_mm256_extracti128_si256(v, 1));
}

// The pairs of 16-bit values that begin at these places of a table.
[[gnu::always_inline]] inline Vector gather_pairs(const int16_t* table, Vector index) {
  return _mm256_i32gather_epi32(reinterpret_cast<const int*>(table), index, sizeof(int16_t));
}

// The elements 0, 2, 4 ... and 1, 3, 5 ... of two vectors of 32-bit ones.
struct EvenOdd {
  Vector even, odd;
};
[[gnu::always_inline]] inline EvenOdd even_odd_32(Vector first, Vector second) {
  const Vector order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  first = _mm256_permutevar8x32_epi32(first, order);
  second = _mm256_permutevar8x32_epi32(second, order);
  return {_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31)};
}

// Modulo 2^32 and 2^64.
[[gnu::always_inline]] inline uint64_t sum_of_64(Vector v) {
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}
[[gnu::always_inline]] inline int32_t sum_of_32(Vector v) {
  return static_cast<int32_t>(sum_of_64(add_32(v, odd_32(v))));
}

// `count` elements, or all of a vector where there are more; those that are not there are 0, and not written.
[[gnu::always_inline]] inline void copy_some(void* to, const void* from, int count, int size, int elements) {
  // The mask tells the compiler what is so anyway: count < elements, a power of two.
  if (count > 0) __builtin_memcpy(to, from, static_cast<size_t>((count & (elements - 1)) * size));
}
template <class T>
[[gnu::always_inline]] inline Vector load_some(const T* from, int count) {
  constexpr int kElements = kVectorBytes / sizeof(T);
  if (count >= kElements) return load(from);
  alignas(kVectorBytes) T elements[kElements] = {};
  copy_some(elements, from, count, sizeof(T), kElements);
  return load(elements);
}
template <class T>
[[gnu::always_inline]] inline void store_some(T* to, int count, Vector v) {
  constexpr int kElements = kVectorBytes / sizeof(T);
  if (count >= kElements) return store(to, v);
  alignas(kVectorBytes) T elements[kElements];
  store(elements, v);
  copy_some(to, elements, count, sizeof(T), kElements);
}
[[gnu::always_inline]] inline Vector load_some_s8_as_s32(const int8_t* from, int count) {
  int8_t elements[8] = {};
  if (count >= 8) return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  copy_some(elements, from, count, 1, 8);
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(elements)));
}

// 32 values of 16 bits, looked up by 16-bit indices 0..31: vpshufb finds one of 8 in each quarter, and two bits of the
// index choose the quarter.
class Table32 {
 public:
  explicit Table32(const int16_t* values) {
    for (int i = 0; i < 4; ++i) {
      quarter_[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(values + 8 * i)));
    }
  }
  // With the values of another table added to those of odd indices.
  Table32(const int16_t* values, const Table32& other) : Table32(values) {
    for (int i = 0; i < 4; ++i) {
      quarter_[i] = _mm256_blend_epi16(quarter_[i], add_16(quarter_[i], other.quarter_[i]), 0b10101010);
    }
  }
  // What operator[] takes for an index i: the two bytes 2i and 2i + 1.
  [[gnu::always_inline]] static Vector position(Vector index) {
    return add_16(_mm256_mullo_epi16(index, all_16(0x0202)), all_16(0x0100));
  }
  [[gnu::always_inline]] Vector operator[](Vector position) const {
    const Vector bit4 = shift_left_16<3>(position), bit5 = shift_left_16<2>(position);  // as signs of the bytes
    return _mm256_blendv_epi8(half(position, bit4, 0), half(position, bit4, 2), bit5);
  }

 private:
  [[gnu::always_inline]] Vector half(Vector position, Vector upper, int first) const {
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(quarter_[first], position),
                              _mm256_shuffle_epi8(quarter_[first + 1], position), upper);
  }
  Vector quarter_[4];
};

}  // namespace
}  // namespace octavo::kernels
