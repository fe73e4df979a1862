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

constexpr int kGroupDepth = 32;  ///< steps of depth of a column that 4-bit codes share a multiplier over

/// Byte offset of the 4-bit code of weight (n, k) in a packed matrix whose depth is padded to `depth`, and whether it
/// is the high half of the byte. A 64-byte row holds k = 4r .. 4r+3 of 32 columns: in each 32 bytes those of 16
/// columns, the low halves those of the first eight.
constexpr size_t code_index(size_t n, size_t k, size_t depth) {
  return (n / 32) * (depth * 16) + k / 4 * 64 + n % 32 / 16 * 32 + n % 8 * 4 + k % 4;
}
constexpr bool in_high_half(size_t n) { return n % 16 >= 8; }

/// Offset of the multiplier of weight (n, k): [columns / 32][depth / 32][32].
constexpr size_t group_index(size_t n, size_t k, size_t depth) {
  return (n / 32) * depth + k / kGroupDepth * 32 + n % 32;
}

}  // namespace octavo::kernels
