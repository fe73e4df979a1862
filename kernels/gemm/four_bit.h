// What kernels of 4-bit weights with 256-bit registers share.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

// The multipliers of 8 columns, each twice in 32 bits.
[[gnu::always_inline]] inline __m256i multiplier_pairs(const int8_t* from) {
  const __m256i multiplier = _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(from)));
  return _mm256_or_si256(_mm256_slli_epi32(multiplier, 16), _mm256_and_si256(multiplier, _mm256_set1_epi32(0xffff)));
}

}  // namespace
}  // namespace octavo::kernels
