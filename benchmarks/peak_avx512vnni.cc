// The calibrator of avx512vnni kernels: see peak.h. Runs only where avx512vnni is available.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers raise both without cause
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>
#include <stdint.h>

// 16 independent chains hide the latency; the operands are no zeros, which would let the clock run higher. Returns the
// number of multiply-adds done.
int64_t run_peak_avx512vnni(int rounds);
int64_t run_peak_avx512vnni(int rounds) {
  constexpr int kChains = 16;
  const __m512i activations = _mm512_set1_epi32(0x5a17c3e1), weights = _mm512_set1_epi32(0x71a3c90f);
  __m512i sum[kChains];
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sum[i] = _mm512_set1_epi32(i);
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) {
      sum[i] = _mm512_dpbusd_epi32(sum[i], activations, weights);
      __asm__("" : "+v"(sum[i]));  // keeps the compiler from finding a shorter way
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) __asm__ volatile("" : : "v"(sum[i]));
  return int64_t{rounds} * kChains * 64;
}
