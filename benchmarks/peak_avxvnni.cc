// The calibrator of avxvnni kernels: see peak.h. Runs only where avxvnni is available.
#include <immintrin.h>
#include <stdint.h>

// 12 independent chains hide the latency; the operands are no zeros, which would let the clock run higher. Returns the
// number of multiply-adds done.
int64_t run_peak_avxvnni(int rounds);
int64_t run_peak_avxvnni(int rounds) {
  constexpr int kChains = 12;
  const __m256i activations = _mm256_set1_epi32(0x5a17c3e1), weights = _mm256_set1_epi32(0x71a3c90f);
  __m256i sum[kChains];
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) sum[i] = _mm256_set1_epi32(i);
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; ++i) {
      sum[i] = _mm256_dpbusd_avx_epi32(sum[i], activations, weights);
      __asm__("" : "+x"(sum[i]));  // keeps the compiler from finding a shorter way
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kChains; ++i) __asm__ volatile("" : : "x"(sum[i]));
  return int64_t{rounds} * kChains * 32;
}
