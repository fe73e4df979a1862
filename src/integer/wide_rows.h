// Rows of the 16-bit stream on their way to sums and products (fixed-point.md 3, 8): plain integer loops beside the
// kernels.
#pragma once

#include "graph/quantized.h"
#include "kernels/kernels.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace octavo {

/// Writes a row as two rows of u8 codes with zero point 128, `row` and `row` + 1: min(x, 32639) = 256 (high - 128) +
/// (low - 128).
void split_row(const std::int16_t* x, int columns, const kernels::ByteMatrix& out, int row);

/// A product's accumulators of the two rows as one, in steps of 32 of the exact sum, times multiplier[j] * 2^-shift:
///   out = clamp(((8 high + (low >> 5)) * multiplier + 2^(shift-1)) >> shift) to s32. `out` may be `high` or any
///   earlier row.
struct WideRow {
  const std::int32_t *high, *low;  ///< [columns]
  const std::int32_t* multiplier;
  int shift;  ///< 18..62
  int columns;
};
void scale_wide_row(const WideRow& row, std::int32_t* out);
void scale_wide_row(const WideRow& row, std::int16_t* out);  ///< clamped to s16

/// x = (x + 2^(shift-1)) >> shift, shift 1..15: a row of the stream in the scale of the next sum.
void shift_row(std::int16_t* x, int columns, int shift);

/// Writes a row as u8 codes.
void requantize_row(const std::int16_t* x, int columns, const QuantizedBytes& to, const kernels::ByteMatrix& out,
                    int row);

}  // namespace octavo
