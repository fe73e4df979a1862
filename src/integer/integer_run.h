// One pass of the integer executor: what the files integer_*.cc share.
#pragma once

#include "graph/refined_rows.h"
#include "integer/integer_executor.h"
#include "runtime/partition.h"
#include "runtime/workspace.h"

#include <algorithm>
#include <string>
#include <vector>

namespace octavo {

constexpr int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

inline kernels::ByteMatrix tile_order(std::uint8_t* data, int columns, const Refined& refined = {}) {
  const int depth = refined_depth(columns, refined);
  return {.data = data, .tile_stride = std::ptrdiff_t{16} * depth, .row_stride = 64, .chunk_stride = 1024};
}

inline kernels::ByteMatrix row_major(std::uint8_t* data, std::ptrdiff_t stride) {
  return {.data = data, .tile_stride = 16 * stride, .row_stride = stride, .chunk_stride = 64};
}

/// `m` from a row (multiple of 16) and a column (multiple of 32) on, as one part of a product writes it.
inline kernels::ByteMatrix at(kernels::ByteMatrix m, int row, int column) {
  m.data += (row / kernels::kTileRows) * m.tile_stride + (column / kernels::kTileDepth) * m.chunk_stride +
            column % kernels::kTileDepth;
  return m;
}

/// A product's tensors, bound once.
struct Product {
  const std::int8_t* weight;
  const std::int32_t *bias, *multiplier;
  int depth;

  Product(const TensorMap& tensors, const std::string& name, int depth_)
      : weight(tensor(tensors, name + ".weight").as<std::int8_t>().data()),
        bias(tensor(tensors, name + ".bias").as<std::int32_t>().data()),
        multiplier(tensor(tensors, name + ".multiplier").as<std::int32_t>().data()),
        depth(depth_) {}

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

/// Everything one forward pass works on.
struct IntegerRun {
  const RaggedBatch& batch;
  ThreadPool& pool;
  int rows;
  // u8 codes in tile order, one buffer per kind of producer; each is dead once its consumer has run
  std::uint8_t *norm, *context, *hidden;
  std::uint8_t *query, *key, *value;
  std::int16_t *gate, *stream;
  std::int16_t* eleven_bits;       // of a LayerNorm with fine codes, as the stream
  std::uint8_t* gate_hidden;       // u8 units of an mlp gate, in tile order
  std::int32_t* gate_accumulator;  // logits of each token before their mean
  std::uint8_t* scratch;
  std::size_t scratch_bytes;
  Workspace::Data& workspace;      // for what only the ends of the network need
  std::int32_t* logits = nullptr;  // [sequences][classes]
  bool observed = false;           // somebody looks at codes that kernels need not leave anywhere
};

/// Bound nodes and the sizes of the buffers they share.
struct IntegerExecutor::Impl {
  Impl(std::shared_ptr<const Model::Data> model, kernels::Isa isa);

  void measure(const Node& node);

  std::size_t index(const Node& node) const { return static_cast<std::size_t>(&node - data->graph.nodes.data()); }
  int columns(const Node& node) const { return data->graph.columns(node.output); }
  const std::string& name(const Node& node) const { return data->graph.name(node.output); }

  template <typename T>
  const T* get(const Node& node, const char* part) const {
    return tensor(data->tensors, name(node) + part).as<T>().data();
  }

  IntegerRun prepare(const RaggedBatch& batch, Workspace::Data& workspace) const;

  /// u8 form of a product's input: who made it decides where it lies.
  const std::uint8_t* input(const IntegerRun& run, const Node& node) const;

  kernels::NormConstants lane(const Node& node, const char* part, const QuantizedLane& constants) const;

  // integer_ops.cc
  NodeCodes run(IntegerRun& run, std::size_t index) const;

  NodeCodes operator()(IntegerRun& run, const Node& node, const EmbedTokens& op,
                       const QuantizedEmbedTokens& constants) const;
  NodeCodes operator()(IntegerRun& run, const Node& node, const Linear& op, const QuantizedLinear& constants) const;
  NodeCodes operator()(IntegerRun& run, const Node& node, const LinearAdd& op,
                       const QuantizedLinearAdd& constants) const;
  NodeCodes operator()(IntegerRun& run, const Node& node, const LayerNormOp& op,
                       const QuantizedLayerNorm& constants) const;
  // integer_language.cc: logits of chosen rows; see IntegerExecutor::token_logits
  NodeCodes operator()(IntegerRun&, const Node&, const LanguageHead&, const QuantizedLanguageHead&) const { return {}; }
  // integer_attention.cc
  NodeCodes operator()(IntegerRun& run, const Node& node, const QkvProduct& op, const QuantizedQkv& constants) const;
  NodeCodes operator()(IntegerRun& run, const Node& node, const AttentionOp& op,
                       const QuantizedAttention& constants) const;
  // integer_image.cc
  NodeCodes operator()(IntegerRun& run, const Node& node, const EmbedPatches& op,
                       const QuantizedEmbedPatches& constants) const;
  NodeCodes operator()(IntegerRun& run, const Node& node, const Head& op, const QuantizedHead& constants) const;

  template <typename OtherOp, typename OtherConstants>
  NodeCodes operator()(IntegerRun&, const Node&, const OtherOp&, const OtherConstants&) const {
    return {};  // check_quantized() has matched ops and constants
  }

  /// First product of an mlp gate: ReLU is the clamp at zero.
  void hidden_units(IntegerRun& run, const Product& product, const QuantizedBlock& block, const std::uint8_t* a) const;

  /// A row of logits per token, or per sequence where the gate takes their mean.
  void gate_logits(IntegerRun& run, const Product& product, const QuantizedBlock& block, const std::uint8_t* a,
                   bool mean) const;

  /// A sequence's logits of one head: a row per token, one for all, or constants of the model.
  struct GateRows {
    const std::int16_t* first = nullptr;
    std::ptrdiff_t stride = 0;
  };
  GateRows gate_rows(const IntegerRun& run, const Node& node, const AttentionOp& op, int sequence, int head) const;
  /// Keys and values of one head of a sequence, in its cache where it has one, else in the batch.
  struct KeyRows {
    const std::int8_t *keys, *values;
    std::ptrdiff_t stride;
  };
  KeyRows key_rows(const IntegerRun& run, const Node& node, const AttentionOp& op, int sequence, int head) const;
  kernels::StaticW8A8Attention paper_constants(const Node& node, const QuantizedPaperAttention& constants,
                                          const QuantizedQkv& qkv) const;

  /// What a head reads of one image's rows of the stream.
  void head_rows(const IntegerRun& run, const Head& op, int image, int width, std::int16_t* out) const;

  std::shared_ptr<const Model::Data> data;
  kernels::KernelTable table, scalar = kernels::table_for(kernels::Isa::scalar);
  std::vector<std::size_t> layer_of;  // of each node that is an AttentionOp: its place among them
  /// Coarse codes of all rows of a value, where it has them.
  void write_coarse(IntegerRun& run, const kernels::ByteMatrix& first, int columns, const Refined& refined) const;

  int stream_columns = 1, qkv_columns = 1, heads = 0, head_size = 0;
  int norm_depth = 64, hidden_depth = 64, context_depth = 64;  // of the widest u8 value of each kind
  bool fine_norms = false;                                     // some LayerNorm has fine codes
  int gate_units = 0;                                          // of the largest mlp gate
  bool gate_means = false;                                     // some gate takes the mean over tokens
  int qkv_stride = 0, gate_stride = 0, stream_stride = 0;
};

}  // namespace octavo
