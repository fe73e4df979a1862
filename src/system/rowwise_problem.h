// Problems of the row kernels.
#pragma once

#include "system/problem.h"

#include <optional>

namespace octavo::problems {

/// The constants of one output of a LayerNorm: gain 0, offset 0 and shift 10 at first.
struct NormOutput {
  void set(std::int32_t every_gain, std::int32_t every_offset) {
    std::fill(gain.begin(), gain.end(), every_gain);
    std::fill(offset.begin(), offset.end(), every_offset);
  }
  Guarded<std::int32_t>&gain, &offset;
  kernels::NormConstants& constants;
};

/// One LayerNorm of zeros. Rows end with the last element that may be read or written; outputs hold 0xA5 bytes where
/// nothing is written.
class LayerNormProblem : public Problem {
 public:
  LayerNormProblem(int rows, int columns, Order order);

  std::int16_t& x(int row, int column) { return in[elements(row, columns + kGap) + static_cast<std::size_t>(column)]; }
  int s16_at(int row, int column) const { return args.s16_output[row * args.s16_stride + column]; }
  int u8_at(int row, int column) const {
    const kernels::ByteMatrix& m = args.u8_output;
    return m.data[row / 16 * m.tile_stride + row % 16 * m.row_stride + column / 64 * m.chunk_stride + column % 64];
  }
  /// Writes the new stream over the input.
  void use_place_of_input();

 private:
  static constexpr int kGap = 5;
  std::shared_ptr<kernels::LayerNorm> args_;

 public:
  int rows, columns;
  kernels::LayerNorm& args;
  Guarded<std::int16_t>& in;
  Guarded<std::uint8_t>& u8_output;
  Guarded<std::int16_t>& s16_output;
  NormOutput u8, s16;
};

/// Tables, indices and output of an embedding sum.
class EmbeddingProblem : public Problem {
 public:
  static constexpr int kCount = 4;  ///< rows of each table
  EmbeddingProblem(int rows, int columns, int tables, Random& random);

  std::int8_t code(int table, int index, int column) const {
    return args.table[table].rows[index * args.columns + column];
  }
  int value(int row, int column) const { return args.out[row * args.stride + column]; }

  kernels::EmbeddingSum args;
};

/// What is asked of a random problem. What is left out is chosen at random.
struct RowOptions {
  std::optional<int> rows = {}, columns = {};
};
LayerNormProblem random_layer_norm(const RowOptions& options, Random& random);
EmbeddingProblem random_embedding_sum(const RowOptions& options, Random& random);
Problem random_column_sum(const RowOptions& options, Random& random);

}  // namespace octavo::problems
