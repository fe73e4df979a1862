// Part of the contract of kernels.h: windows of pictures and of what convolutions make of them, and means by scores.
// Plain loops beside the products, alike on every instruction set.
#pragma once

#include "kernels/rows.h"

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {

/// A window of a picture as one row (8 c): of each of its places, row by row, all channels; of a place outside the
/// picture what stands for it there.
struct CopyWindow {
  const uint8_t* picture;  ///< its first byte: [height][stride], channels side by side
  int width, height, channels;
  ptrdiff_t stride;        ///< bytes between rows of the picture
  int left, top, edge;     ///< of the window; it may lie outside in part
  const uint8_t* outside;  ///< [channels]
  ByteMatrix out;
  int row;  ///< of out
};

/// ReLU and the largest value of a window (8 c): out[j] = max over places of the window that lie inside of
/// max(in[place][j], 0). Some do.
struct LargestOfWindow {
  const int16_t* in;  ///< [height][width] rows of columns
  int width, height, columns;
  ptrdiff_t stride;     ///< elements between rows of columns
  int left, top, edge;  ///< of the window
  int16_t* out;         ///< [columns]; null where the result is u8
  uint8_t* u8;          ///< [columns], min(result, 255); null where it is s16
};

/// The mean of rows by the softmax of their scores (8 d), t and u of each score as attention has them (5):
///   w_i = 2^-u in Q15,  Z = sum w_i,  out[j] = floor((2 sum_i w_i in[i][j] + Z) / (2 Z))
struct WeightedMean {
  int rows, columns;  ///< rows at most 65536
  const int16_t* in;  ///< row-major
  ptrdiff_t stride;   ///< elements between rows
  const int16_t* score;
  ptrdiff_t score_stride;
  uint16_t score_multiplier;  ///< m16 in [2^15, 2^16)
  int score_shift;            ///< k in -8..23
  int64_t* sums;              ///< [columns], scratch
  int16_t* out;               ///< [columns]
};

}  // namespace octavo::kernels
