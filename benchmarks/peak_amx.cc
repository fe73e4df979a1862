// The calibrator of amx kernels: see peak.h. Runs only where amx is available.
#include "kernels/tiles.h"

#include <stdint.h>

// Four sums, two tiles of activations, two of weights, all different; no zeros, which would let the clock run higher.
// Returns the number of multiply-adds done.
int64_t run_peak_amx(int rounds);
int64_t run_peak_amx(int rounds) {
  alignas(64) uint8_t operands[4][1024];
  uint32_t state = 1;
  for (auto& operand : operands) {
    for (uint8_t& byte : operand) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  }
  using namespace octavo::kernels;
  const Tiles tiles;
  load_tile<4>(operands[0], 64);
  load_tile<5>(operands[1], 64);
  load_tile<6>(operands[2], 64);
  load_tile<7>(operands[3], 64);
  for (int round = 0; round < rounds; ++round) {
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
  }
  return int64_t{rounds} * 4 * 16 * 16 * 64;
}
