// The tables of gates (6): data alone, which the definitions and the other kernels share.
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

// round(2^12 * ln(1 + exp(-i / 8))), constant from i = 64 on.
constexpr int32_t kSoftplus[66] = {
    2839, 2591, 2359, 2143, 1942, 1756, 1585, 1427, 1283, 1152, 1032,  //
    923,  825,  736,  656,  584,  520,  462,  410,  364,  323,  286,   //
    254,  225,  199,  176,  156,  138,  122,  108,  95,   84,   74,    //
    66,   58,   51,   45,   40,   35,   31,   28,   24,   21,   19,    //
    17,   15,   13,   11,   10,   9,    8,    7,    6,    5,    5,     //
    4,    4,    3,    3,    3,    2,    2,    2,    2,    1,    1,
};

// The 64 cells over [0, 8) in 16 bits: the value at a cell's beginning and its slope; of cells 32 .. 63 what these have
// beyond those of the cell 32 before.
struct GateCells {
  alignas(64) int16_t base[64];
  alignas(64) int16_t slope[64];
};
constexpr GateCells gate_cells(const int32_t (&table)[66]) {
  GateCells cells = {};
  for (int i = 0; i < 64; ++i) {
    const int j = i < 32 ? i : i - 32;
    const int base = i < 32 ? 0 : table[j], slope = i < 32 ? 0 : table[j + 1] - table[j];
    cells.base[i] = static_cast<int16_t>(table[i] - base);
    cells.slope[i] = static_cast<int16_t>(table[i + 1] - table[i] - slope);
  }
  return cells;
}

}  // namespace
}  // namespace octavo::kernels
