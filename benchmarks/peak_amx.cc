// The calibrator of amx kernels: see peak.h. Runs only where amx is available.
#include <stdint.h>

namespace {

struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
constexpr TileConfig kConfig;

}  // namespace

// Four sums, two tiles of activations, two of weights, all different; no zeros, which would let the clock run higher. Returns
// the number of multiply-adds done.
int64_t run_peak_amx(int rounds);
int64_t run_peak_amx(int rounds) {
  alignas(64) uint8_t operands[4][1024];
  uint32_t state = 1;
  for (auto& operand : operands) {
    for (uint8_t& byte : operand) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  }
  const int64_t stride = 64;
  __asm__ volatile("ldtilecfg %0" : : "m"(kConfig));
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm4" : : "r"(operands[0]), "r"(stride) : "memory");
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm5" : : "r"(operands[1]), "r"(stride) : "memory");
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm6" : : "r"(operands[2]), "r"(stride) : "memory");
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm7" : : "r"(operands[3]), "r"(stride) : "memory");
  for (int round = 0; round < rounds; ++round) {
    __asm__ volatile("tdpbusd %tmm6, %tmm4, %tmm0\n\ttdpbusd %tmm7, %tmm4, %tmm1\n\t"
                     "tdpbusd %tmm6, %tmm5, %tmm2\n\ttdpbusd %tmm7, %tmm5, %tmm3");
  }
  __asm__ volatile("tilerelease");
  return int64_t{rounds} * 4 * 16 * 16 * 64;
}
