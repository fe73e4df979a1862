// A quantized graph made ready to run: what each op needs, bound once when a model is loaded.
#pragma once

#include "graph/buffer_plan.h"
#include "graph/model_data.h"
#include "graph/refined_rows.h"
#include "kernels/kernels.h"
#include "runtime/partition.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace octavo {

constexpr int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

/// Where a buffer lies among those of a pass; none: -1.
using Slot = int;

/// 16-bit rows: [rows][stride].
struct Rows16 {
  Slot slot = -1;
  int columns = 0;
  std::ptrdiff_t stride = 0;
};

/// 8-bit codes in tile order, with their finer and coarser ones behind them.
struct Rows8 {
  Slot slot = -1;
  int columns = 0;
  Refined refined = {};
};

/// A product's tensors.
struct Product {
  const std::int8_t* weight = nullptr;
  const std::int32_t *bias = nullptr, *multiplier = nullptr;
  int depth = 0;

  /// The kernel's arguments for one part of a block.
  kernels::Gemm part(const QuantizedBlock& block, const std::uint8_t* a, const Part& part) const {
    const int column = block.first_column + part.column;
    return {.rows = part.rows,
            .columns = part.columns,
            .depth = depth,
            .a = a + static_cast<std::ptrdiff_t>(part.row) * depth,
            .b = weight + static_cast<std::ptrdiff_t>(column) * depth,
            .bias = bias + column,
            .multiplier = multiplier + column,
            .shift = std::max(block.shift, 33),
            .pre_shift = std::max(33 - block.shift, 0)};
  }
};

struct BoundEmbedTokens {
  kernels::EmbeddingSum sum;  ///< without rows, indices and output
  int words_fine = -1;        ///< which table has the fine codes of words; none: -1
  bool types = false;
  std::optional<kernels::StaticW8A8EmbeddingSum> paper = {};
  std::optional<QuantizedBytes> bytes = {};
  Rows16 out;
  Rows8 bytes_out;
};

struct BoundQkv {
  Product product;
  QuantizedBlock query, key, value;
  Slot input = -1, query_out = -1, key_out = -1, value_out = -1;
  int width = 0;
  std::ptrdiff_t stride = 0;
  int low = -127;  ///< of K and V
  // the gate
  std::optional<QuantizedBlock> gate = {};  ///< logits, or hidden units
  bool mean = false;                        ///< over the tokens of a sequence
  Product second = {};                      ///< of hidden units
  std::optional<QuantizedBlock> second_block = {};
  Slot gate_out = -1, hidden = -1, accumulators = -1;
  std::ptrdiff_t gate_stride = 0;
};

struct BoundLinear {
  Product product;
  QuantizedBlock block;
  Form reads = Form::u8, makes = Form::u8;
  Slot input = -1;
  Rows16 rows = {};  ///< what is read, where it is 16 bits
  // bytes
  Rows8 out = {};
  bool relu = false;
  std::optional<kernels::Gelu> gelu = {};  ///< without places to write to
  // heads
  Rows16 out16 = {};
  Slot out32 = -1;
  Slot bytes = -1, accumulators = -1;  ///< scratch: 16-bit rows as u8 codes, and sums
  std::ptrdiff_t accumulator_stride = 0;
  std::optional<QuantizedBytes> to_bytes = {};  ///< 16-bit rows in one u8 row each; else in two
  const std::int16_t* activation = nullptr;     ///< table of a 16-bit result
};

struct BoundLinearAdd {
  Product product;
  QuantizedBlock block;
  Slot input = -1;
  Rows16 residual, out;  ///< the same rows, unless somebody else reads the residual later
  int stream_shift = 0;
  std::optional<kernels::AddToU8> eight_bit = {};  ///< without the stream
};

struct BoundLayerNorm {
  kernels::LayerNorm norm;  ///< without rows and places
  int groups = 1;
  Rows16 in;
  Rows16 out16 = {};  ///< slot -1: no product of sums reads it
  Rows8 out8 = {};
  Slot eleven_bits = -1;  ///< scratch: codes that are split into first and fine ones
  Slot slices = -1;       ///< scratch: u8 codes of a group each
};

struct BoundAttention {
  kernels::AttentionConstants constants;  ///< without levels
  std::optional<kernels::AttentionLevels> levels = {};
  std::optional<kernels::StaticW8A8Attention> paper = {};
  AttentionOp op;
  Slot query = -1, key = -1, value = -1, gate = -1;
  std::ptrdiff_t stride = 0, gate_stride = 0;
  const std::int16_t* unconditional = nullptr;  ///< logits of a gate per head
  Rows8 out;
  std::size_t layer = 0;  ///< its place among the attentions of the graph
};

struct BoundEmbedPatches {
  EmbedPatches op;
  Product product;
  QuantizedBlock block;
  std::optional<kernels::LayerNorm> norm = {};  ///< without rows and places
  const std::int16_t* rows = nullptr;
  int low = 0, high = 0;
  Rows16 out;
};

struct BoundSelectRows {
  SelectRows op;
  Rows16 in, out;
  Slot sums = -1;  ///< scratch
};

using BoundOp = std::variant<BoundEmbedTokens, BoundQkv, BoundLinear, BoundLinearAdd, BoundLayerNorm, BoundAttention,
                             BoundEmbedPatches, BoundSelectRows>;

/// Where an output's codes lie: 16-bit rows, or logits without gaps.
struct OutputPlace {
  Rows16 s16 = {};
  Slot s32 = -1;
};
OutputPlace output_place(const BoundOp& op);

/// What bind_graph() makes.
struct BoundGraph {
  std::vector<BoundOp> ops;   ///< by node
  std::vector<RowKind> rows;  ///< by node: what its value's rows stand for
  BufferPlan plan;
  int largest_head_size = 4;
};

/// The graph must have passed check_quantized(). Pointers are into the model's tensors.
BoundGraph bind_graph(const Model::Data& data);

}  // namespace octavo
