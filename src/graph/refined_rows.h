// Rows of u8 values with more than their first codes (fixed-point.md 11): where each kind of code lies.
#pragma once

#include "graph/quantized.h"
#include "kernels/kernels.h"

namespace octavo {

/// The columns of a value as products read them: first codes, fine codes, coarse codes, each padded to 64.
int refined_depth(int columns, const Refined& refined);

/// Fine and coarse codes of a value whose first codes are `first`, in tile order, of refined_depth() columns.
kernels::ByteMatrix fine_codes(const kernels::ByteMatrix& first, int columns);
kernels::ByteMatrix coarse_codes(const kernels::ByteMatrix& first, int columns, const Refined& refined);

/// The call that makes coarse codes of the tiles that hold these rows; `row` is a multiple of 16.
kernels::ShiftTiles coarse_tiles(const kernels::ByteMatrix& first, int columns, const Refined& refined, int row,
                                 int rows);

}  // namespace octavo
