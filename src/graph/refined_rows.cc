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

ShiftTiles coarse_tiles(const ByteMatrix& first, int columns, const Refined& refined, int row, int rows) {
  static_assert(kCoarseShift == 3 && kFineBits == 3);  // as in the kernels
  const std::ptrdiff_t offset = row / kTileRows * first.tile_stride;
  return {.tiles = (rows + kTileRows - 1) / kTileRows,
          .columns = padded(columns),
          .in = first.data + offset,
          .out = coarse_codes(first, columns, refined).data + offset,
          .stride = first.tile_stride};
}

}  // namespace octavo
