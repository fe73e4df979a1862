// Where the elements of matrices lie in memory: activations in tiles, weights in packed panels.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {

constexpr int kTileRows = 16;      ///< rows of an activation tile
constexpr int kTileDepth = 64;     ///< bytes of a tile row; depth of a weight tile
constexpr int kPanelColumns = 32;  ///< columns of a packed weight panel

/// A matrix of bytes in one of two orders. Element (row, column) is at
///   data + (row / 16) * tile_stride + (row % 16) * row_stride + (column / 64) * chunk_stride + column % 64.
/// Tile order, what GEMMs read: row_stride 64, chunk_stride 1024, tile_stride (depth / 64) * 1024.
/// Row-major order, what attention reads: row_stride = columns, chunk_stride 64, tile_stride 16 * columns.
struct ByteMatrix {
  uint8_t* data;
  ptrdiff_t tile_stride, row_stride, chunk_stride;
};

/// Byte offset of weight (n, k) in a packed matrix whose depth is padded to `depth`. Tile row r of a 64 x 16 tile holds
/// k = 4r .. 4r+3 of 16 columns: one 64-byte row is one operand of vpdpbusd.
constexpr size_t packed_index(size_t n, size_t k, size_t depth) {
  return (((n / 32) * (depth / 64) + k / 64) * 2 + (n % 32) / 16) * 1024 + (k % 64 / 4) * 64 + (n % 16) * 4 + k % 4;
}

}  // namespace octavo::kernels
