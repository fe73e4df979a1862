// A table of positions for pictures of another size than it was trained for.
#pragma once

#include "octavo/tensor.h"

namespace octavo {

/// From a square of patches, behind `prefix` rows that stay as they are, to another rectangle.
struct PositionResize {
  int prefix = 0;
  int from = 0;  ///< patches along an edge of the table's square
  int width = 0, height = 0;
  bool antialias = false;
};

/// Resizes as torch's interpolate(mode="bicubic", align_corners=False) does: f32 [..., prefix + from * from, columns]
/// to [prefix + width * height, columns].
Tensor resize_positions(const Tensor& table, const PositionResize& resize);

}  // namespace octavo
