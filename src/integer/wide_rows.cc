#include "integer/wide_rows.h"

#include <algorithm>
#include <limits>

namespace octavo {
namespace {

constexpr int kLargest = 32639;  // its two codes are 255 and 255

std::uint8_t* line(const kernels::ByteMatrix& m, int row) {
  return m.data + (row / kernels::kTileRows) * m.tile_stride + (row % kernels::kTileRows) * m.row_stride;
}

std::ptrdiff_t offset(const kernels::ByteMatrix& m, int column) {
  return (column / kernels::kTileDepth) * m.chunk_stride + column % kernels::kTileDepth;
}

template <typename Code>
void scale(const WideRow& row, Code* out) {
  constexpr std::int64_t kLow = std::numeric_limits<Code>::min(), kHigh = std::numeric_limits<Code>::max();
  const std::int64_t rounding = std::int64_t{1} << (row.shift - 1);
  for (int j = 0; j < row.columns; ++j) {
    const std::int64_t accumulator = std::int64_t{8} * row.high[j] + (row.low[j] >> 5);
    out[j] = static_cast<Code>(std::clamp((accumulator * row.multiplier[j] + rounding) >> row.shift, kLow, kHigh));
  }
}

}  // namespace

void split_row(const std::int16_t* x, int columns, const kernels::ByteMatrix& out, int row) {
  std::uint8_t *high = line(out, row), *low = line(out, row + 1);
  for (int j = 0; j < columns; ++j) {
    const int shifted = std::min<int>(x[j], kLargest) + 32768 + 128;
    high[offset(out, j)] = static_cast<std::uint8_t>(shifted >> 8);
    low[offset(out, j)] = static_cast<std::uint8_t>(shifted & 255);
  }
}

void scale_wide_row(const WideRow& row, std::int32_t* out) { scale(row, out); }
void scale_wide_row(const WideRow& row, std::int16_t* out) { scale(row, out); }

void shift_row(std::int16_t* x, int columns, int shift) {
  const int rounding = 1 << (shift - 1);
  for (int j = 0; j < columns; ++j) x[j] = static_cast<std::int16_t>((x[j] + rounding) >> shift);
}

void requantize_row(const std::int16_t* x, int columns, const QuantizedBytes& to, const kernels::ByteMatrix& out,
                    int row) {
  std::uint8_t* bytes = line(out, row);
  const std::int64_t rounding = std::int64_t{1} << (to.shift - 1);
  for (int j = 0; j < columns; ++j) {
    const std::int64_t code = ((std::int64_t{x[j]} * to.multiplier + rounding) >> to.shift) + to.encoding.zero_point;
    bytes[offset(out, j)] = static_cast<std::uint8_t>(std::clamp<std::int64_t>(code, 0, 255));
  }
}

}  // namespace octavo
