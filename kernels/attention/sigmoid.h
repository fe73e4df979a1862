// The sigmoid of a gate's logit, once for each row and head: the same scalar code in the kernels of every instruction
// set.
#pragma once

#include <stdint.h>

namespace octavo::kernels {
namespace {

// round(2^15 * sigmoid(i / 8)), constant from i = 64 on.
constexpr int32_t kSigmoid[66] = {
    16384, 17407, 18421, 19420, 20397, 21344, 22255, 23127, 23955, 24737, 25471,  //
    26155, 26790, 27377, 27917, 28411, 28862, 29272, 29644, 29979, 30282, 30555,  //
    30799, 31018, 31214, 31389, 31545, 31684, 31807, 31917, 32015, 32102, 32179,  //
    32247, 32307, 32361, 32408, 32450, 32487, 32520, 32549, 32574, 32597, 32617,  //
    32635, 32650, 32664, 32676, 32687, 32696, 32705, 32712, 32719, 32725, 32730,  //
    32734, 32738, 32742, 32745, 32747, 32750, 32752, 32754, 32756, 32757, 32757,
};

// (6) Q15, by symmetry and 64 linear cells over [0, 8).
int32_t sigmoid(int32_t x) {
  const int32_t magnitude = x < 0 ? -x : x, a = magnitude < 16384 ? magnitude : 16384, cell = a >> 8;
  const int32_t s = kSigmoid[cell] + (((kSigmoid[cell + 1] - kSigmoid[cell]) * (a & 255) + 128) >> 8);
  return x < 0 ? 32768 - s : s;
}

}  // namespace
}  // namespace octavo::kernels
