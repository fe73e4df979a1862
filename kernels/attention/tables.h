// The table of 2^-x (5): data alone, which the definition and the other kernels share.
#pragma once

#include <stdint.h>

namespace octavo::kernels {
namespace {

// 2^-x in 32 cells c: T[c] - mulhrs(D[c], within << 9), T = round(2^15 * 2^(-c / 32)), D[c] = T[c] - T[c + 1]. In an
// odd cell, bit 15 of u << 9 is the cell's lowest bit and takes away 2^15 of the factor, so D[c] of the product:
// kExpBase has T[c + 1] there, and `u << 9` needs no mask.
alignas(64) constexpr int16_t kExpBase[32] = {
    32767, 31379, 31379, 30048, 30048, 28774, 28774, 27554, 27554, 26386, 26386, 25268, 25268, 24196, 24196, 23170,
    23170, 22188, 22188, 21247, 21247, 20347, 20347, 19484, 19484, 18658, 18658, 17867, 17867, 17109, 17109, 16384,
};
alignas(64) constexpr int16_t kExpSlope[32] = {
    701, 687, 673, 658, 643, 631, 616, 604, 590, 578, 565, 553, 542, 530, 518, 508,
    496, 486, 475, 466, 455, 445, 436, 427, 418, 408, 400, 391, 383, 375, 366, 359,
};

}  // namespace
}  // namespace octavo::kernels
