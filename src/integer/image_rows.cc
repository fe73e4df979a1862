#include "integer/image_rows.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace octavo {
namespace {

std::ptrdiff_t offset(const kernels::ByteMatrix& m, int row, int column) {
  return (row / kernels::kTileRows) * m.tile_stride + (row % kernels::kTileRows) * m.row_stride +
         (column / kernels::kTileDepth) * m.chunk_stride + column % kernels::kTileDepth;
}

/// Bytes to a run of columns, which may cross chunks.
void write_bytes(const std::uint8_t* from, int count, const kernels::ByteMatrix& to, int row, int column) {
  while (count > 0) {
    const int part = std::min(count, kernels::kTileDepth - column % kernels::kTileDepth);
    std::memcpy(to.data + offset(to, row, column), from, static_cast<std::size_t>(part));
    from += part;
    column += part;
    count -= part;
  }
}

}  // namespace

void copy_patch(const EmbedPatches& op, const std::uint8_t* pixels, int patch, const kernels::ByteMatrix& out,
                int row) {
  const int width = 3 * op.patch_size;
  const std::ptrdiff_t stride = std::ptrdiff_t{width} * op.grid_width;
  const std::uint8_t* from = pixels + patch / op.grid_width * op.patch_size * stride + patch % op.grid_width * width;
  for (int y = 0; y < op.patch_size; ++y) write_bytes(from + y * stride, width, out, row, y * width);
}

void add_image_row(const ImageRows& image, int row) {
  const std::int16_t* from = image.rows + std::ptrdiff_t{row} * image.columns;
  std::int16_t* out = image.out + row * image.stride;
  if (row < image.prefix) {
    std::copy_n(from, image.columns, out);
    return;
  }
  const std::int16_t* patch = image.patches + (row - image.prefix) * image.stride;
  for (int j = 0; j < image.columns; ++j) {
    out[j] = static_cast<std::int16_t>(std::clamp(from[j] + patch[j], image.low, image.high));
  }
}

void copy_byte_row(const kernels::ByteMatrix& from, int row, int columns, const kernels::ByteMatrix& to, int to_row,
                   int first_column) {
  for (int column = 0; column < columns; column += kernels::kTileDepth) {
    const int part = std::min(kernels::kTileDepth, columns - column);
    write_bytes(from.data + offset(from, row, column), part, to, to_row, first_column + column);
  }
}

void divide_sums(const std::int32_t* sums, int count, int columns, std::int16_t* out) {
  for (int j = 0; j < columns; ++j) {
    const std::int64_t doubled = 2 * std::int64_t{sums[j]} + count, divisor = 2 * std::int64_t{count};
    const std::int64_t quotient = doubled / divisor;
    out[j] = static_cast<std::int16_t>(quotient - (doubled % divisor < 0));
  }
}

void scale_logits(const std::int32_t* accumulators, const std::int32_t* multiplier, int shift, int columns,
                  std::int32_t* out) {
  constexpr std::int64_t kLow = std::numeric_limits<std::int32_t>::min(),
                         kHigh = std::numeric_limits<std::int32_t>::max();
  for (int j = 0; j < columns; ++j) {
    const std::int64_t product = std::int64_t{accumulators[j]} * multiplier[j] + (std::int64_t{1} << (shift - 1));
    out[j] = static_cast<std::int32_t>(std::clamp(product >> shift, kLow, kHigh));
  }
}

}  // namespace octavo
