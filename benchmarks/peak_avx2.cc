// The calibrator of avx2 kernels: see peak.h. Runs only where avx2 is available.
#include <immintrin.h>
#include <stdint.h>

// 12 independent chains hide the latency; the operands are no zeros, which would let the clock run higher. Returns the
// number of multiply-adds done.
int64_t run_peak_avx2(int rounds);
int64_t run_peak_avx2(int rounds) {
  constexpr int kChains = 12;
  __m256i activations = _mm256_set1_epi32(0x005a00c3), weights = _mm256_set1_epi32(0x0071ff8f);
  __m256i sum[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sum[i] = _mm256_set1_epi32(i);
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      __asm__("" : "+x"(activations));  // keeps the compiler from multiplying once for all
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(activations, weights));
      __asm__("" : "+x"(sum[i]));
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) __asm__ volatile("" : : "x"(sum[i]));
  return int64_t{rounds} * kChains * 16;
}

void read_in_order_avx2(const uint8_t* from, int64_t bytes);
void read_in_order_avx2(const uint8_t* from, int64_t bytes) {
  __m256i sum[8] = {};
  for (const uint8_t* end = from + bytes; from < end; from += 256) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      sum[i] = _mm256_add_epi32(sum[i], _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + 32 * i)));
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) __asm__ volatile("" : : "x"(sum[i]));
}
