// An instruction that older_cpu_test.sh must see fail: the proof that its emulator refuses what the CPU lacks.
#include <immintrin.h>

int main(int count, char**) {
  const __m256i lanes = _mm256_set1_epi32(count);
  return _mm256_extract_epi32(_mm256_mullo_epi32(lanes, lanes), 3) == count * count ? 0 : 1;
}
