#include "graph/refined_rows.h"

namespace octavo {
namespace {

using namespace kernels;

int padded(int columns) { return (columns + kTileDepth - 1) / kTileDepth * kTileDepth; }

ByteMatrix columns_on(ByteMatrix first, int column) {
  first.data += column / kTileDepth * first.chunk_stride;
  return first;
}

}  // namespace

int refined_depth(int columns, const Refined& refined) { return padded(columns) * refined.times(); }

ByteMatrix fine_codes(const ByteMatrix& first, int columns) { return columns_on(first, padded(columns)); }

ByteMatrix coarse_codes(const ByteMatrix& first, int columns, const Refined& refined) {
  return columns_on(first, padded(columns) * (refined.times() - 1));
}

void split_fine_row(const std::int16_t* x, int columns, const ByteMatrix& first, const ByteMatrix& fine, int row) {
  const std::ptrdiff_t line = row / kTileRows * first.tile_stride + row % kTileRows * first.row_stride;
  for (int column = 0; column < columns; column += kTileDepth) {
    std::uint8_t* high = first.data + line + column / kTileDepth * first.chunk_stride;
    std::uint8_t* low = fine.data + line + column / kTileDepth * fine.chunk_stride;
    const int count = columns - column < kTileDepth ? columns - column : kTileDepth;
    for (int j = 0; j < count; ++j) {
      high[j] = static_cast<std::uint8_t>(x[column + j] >> kFineBits);
      low[j] = static_cast<std::uint8_t>(x[column + j] & ((1 << kFineBits) - 1));
    }
  }
}

void write_coarse_rows(const ByteMatrix& first, int columns, const Refined& refined, int row, int rows) {
  const ByteMatrix coarse = coarse_codes(first, columns, refined);
  const std::ptrdiff_t bytes =
      std::ptrdiff_t{kTileRows} * padded(columns);  // chunks of a tile lie one behind the other
  for (int tile = row / kTileRows; tile * kTileRows < row + rows; ++tile) {
    const std::uint8_t* from = first.data + tile * first.tile_stride;
    std::uint8_t* to = coarse.data + tile * first.tile_stride;
    for (std::ptrdiff_t i = 0; i < bytes; ++i) to[i] = static_cast<std::uint8_t>(from[i] >> kCoarseShift);
  }
}

}  // namespace octavo
