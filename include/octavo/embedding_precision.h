// Embeddings in fewer bits, for an index that is to be small: rounded as sentence-transformers' quantize_embeddings
// does.
#pragma once

#include "octavo/tensor.h"

#include <vector>

namespace octavo {

/// How many bits a number of an embedding has, and which.
enum class EmbeddingPrecision {
  float32,
  int8,    ///< the same steps as uint8, from -128 on
  uint8,   ///< of each column, 255 steps from its lowest number to its highest
  binary,  ///< a bit per number, 1 above 0, eight in a byte, the first the highest; less 128
  ubinary  ///< the same bytes from 0 on
};

/// The lowest and highest number of each column of embeddings. int8 and uint8 of embeddings that are compared need the
/// same ranges.
struct ColumnRanges {
  std::vector<float> lowest = {}, highest = {};

  /// Takes in the numbers of embeddings f32 [rows, columns]. Throws Error when they are not numbers or have another
  /// number of columns than those before.
  void include(const Tensor& embeddings);
};

/// Rounds embeddings f32 [rows, columns]: F32, I8 or U8 [rows, columns]; binary and ubinary I8 or U8 [rows, (columns +
/// 7) / 8], the last bits 0. Numbers outside of the ranges, which int8 and uint8 need, become the nearest step. Throws
/// Error when the ranges have another number of columns.
Tensor quantize_embeddings(const Tensor& embeddings, EmbeddingPrecision precision, const ColumnRanges& ranges = {});

}  // namespace octavo
