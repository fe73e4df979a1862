// A panel of 4-bit weights as s8 weights, in scratch: what products of many rows multiply by where the instruction set
// has one for u8 by s8. Included by avxvnni.cc and vpdpbusd_512.h.
#pragma once

#include "kernels/gemm/four_bit.h"
#include "kernels/kernels.h"

namespace octavo::kernels {
namespace {

// (code - 8) * multiplier of 8 columns and four steps of depth; `multiplier` has each column's twice in 32 bits.
__m256i unpacked(__m256i codes, __m256i multiplier) {
  const __m256i low_bytes = _mm256_set1_epi16(255), zero_code = _mm256_set1_epi16(8);
  const __m256i even = _mm256_sub_epi16(_mm256_and_si256(codes, low_bytes), zero_code),
                odd = _mm256_sub_epi16(_mm256_srli_epi16(codes, 8), zero_code);
  return _mm256_or_si256(_mm256_and_si256(_mm256_mullo_epi16(even, multiplier), low_bytes),
                         _mm256_slli_epi16(_mm256_mullo_epi16(odd, multiplier), 8));
}

// The panel of columns column .. column + 31, until the next is unpacked.
const int8_t* unpacked_panel(const Gemm& gemm, int column) {
  constexpr int kSteps = kGroupDepth / 4, kTile = 1024, kTileSteps = kTileDepth / 4;
  const ptrdiff_t panel = static_cast<ptrdiff_t>(column) * gemm.depth;
  const uint8_t* codes = gemm.four_bit.codes + panel / 2;
  const int8_t* multiplier = gemm.four_bit.multiplier + panel / kGroupDepth;
  const __m256i low_half = _mm256_set1_epi8(15);
  for (int half = 0; half < 2; ++half) {  // a tile of 16 columns of each 64 steps of depth
    for (int first = 0; first < gemm.depth / 4; first += kSteps) {
      const int8_t* own = multiplier + first / kSteps * kPanelColumns + half * 16;
      const __m256i left = multiplier_pairs(own), right = multiplier_pairs(own + 8);
      for (int step = first; step < first + kSteps; ++step) {
        const __m256i both =
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + static_cast<ptrdiff_t>(step) * 64 + half * 32));
        int8_t* to = gemm.four_bit.scratch + (static_cast<ptrdiff_t>(step / kTileSteps) * 2 + half) * kTile +
                     step % kTileSteps * 64;
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), unpacked(_mm256_and_si256(both, low_half), left));
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + 32),
                            unpacked(_mm256_and_si256(_mm256_srli_epi16(both, 4), low_half), right));
      }
    }
  }
  return gemm.four_bit.scratch;
}

}  // namespace
}  // namespace octavo::kernels
