// What 512-bit kernels have in common, each with its own copy.
#pragma once

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers raise both without cause
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

namespace octavo::kernels {
namespace {

__m512i load(const void* from) { return _mm512_loadu_si512(from); }

// 32 bytes each of two registers of 16-bit values, the first in the low half, with unsigned saturation. vpackssdw or
// vpackusdw left fours of columns in the order 0, 4, 1, 5, 2, 6, 3, 7; bytes are in column order.
__m512i to_bytes(__m512i first, __m512i second) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
}

}  // namespace
}  // namespace octavo::kernels
