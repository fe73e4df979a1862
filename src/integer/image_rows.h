// Bytes and 16-bit rows at the two ends of an image model: plain integer loops beside the kernels.
#pragma once

#include "graph/graph.h"
#include "kernels/kernels.h"

#include <cstddef>
#include <cstdint>

namespace octavo {

/// Copies one patch of an image to a row of `out`: its pixel rows one after the other.
void copy_patch(const EmbedPatches& op, const std::uint8_t* pixels, int patch, const kernels::ByteMatrix& out, int row);

/// One image's rows of the stream: out = clamp(rows + patches), with the `prefix` first rows of `rows` alone.
struct ImageRows {
  const std::int16_t* rows;     ///< [prefix + patches][columns]
  const std::int16_t* patches;  ///< row-major, `stride` apart
  int prefix, columns;
  int low, high;
  std::int16_t* out;  ///< row-major, `stride` apart
  std::ptrdiff_t stride;
};
/// Row `row` of prefix + patches.
void add_image_row(const ImageRows& image, int row);

/// Copies row `row` of bytes to columns first_column .. of row `to_row` of `to`.
void copy_byte_row(const kernels::ByteMatrix& from, int row, int columns, const kernels::ByteMatrix& to, int to_row,
                   int first_column);

/// out = round(sums / count), half up.
void divide_sums(const std::int32_t* sums, int count, int columns, std::int16_t* out);

/// The requantization rule into s32, for logits: out = clamp((acc * multiplier + 2^(shift-1)) >> shift).
void scale_logits(const std::int32_t* accumulators, const std::int32_t* multiplier, int shift, int columns,
                  std::int32_t* out);

}  // namespace octavo
