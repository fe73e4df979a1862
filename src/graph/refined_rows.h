// Rows of u8 values with more than their first codes (fixed-point.md 11): where each kind of code lies, and those that
// no kernel leaves.
#pragma once

#include "graph/quantized.h"
#include "kernels/kernels.h"

#include <cstdint>

namespace octavo {

/// The columns of a value as products read them: first codes, fine codes, coarse codes, each padded to 64.
int refined_depth(int columns, const Refined& refined);

/// Fine and coarse codes of a value whose first codes are `first`, in tile order, of refined_depth() columns.
kernels::ByteMatrix fine_codes(const kernels::ByteMatrix& first, int columns);
kernels::ByteMatrix coarse_codes(const kernels::ByteMatrix& first, int columns, const Refined& refined);

/// Codes of 11 bits, 0..2047, as first and fine codes of a row.
void split_fine_row(const std::int16_t* x, int columns, const kernels::ByteMatrix& first,
                    const kernels::ByteMatrix& fine, int row);

/// Makes coarse codes of the tiles that hold these rows; `row` is a multiple of 16.
void write_coarse_rows(const kernels::ByteMatrix& first, int columns, const Refined& refined, int row, int rows);

}  // namespace octavo
