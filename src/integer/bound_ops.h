// A quantized graph made ready to run: an object per node, bound to tensors and buffers once when a model is loaded.
#pragma once

#include "graph/buffer_plan.h"
#include "graph/model_data.h"
#include "graph/op_facts.h"
#include "graph/refined_rows.h"
#include "integer/integer_executor.h"
#include "kernels/kernels.h"
#include "runtime/partition.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace octavo {

constexpr int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

/// A buffer of a graph, by its place among the needs of the buffer plan; none: -1.
using BufferId = int;

/// 16-bit rows: [rows][stride].
struct Rows16 {
  BufferId buffer = -1;
  int columns = 0;
  std::ptrdiff_t stride = 0;
  kernels::OutlierColumns outliers = {};
};

/// 8-bit codes in tile order, with their finer and coarser ones behind them.
struct Rows8 {
  BufferId buffer = -1;
  int columns = 0;
  Refined refined = {};
};

/// What attention reads, row-major: [rows][stride], and [rows][key_stride] of K and of V.
struct QkvRows {
  BufferId query = -1, key = -1, value = -1;
  std::ptrdiff_t stride = 0, key_stride = 0;
  Encoding query_encoding = {}, key_encoding = {}, value_encoding = {};
  BufferId gate = -1;  ///< s16 logits of a conditional gate
  std::ptrdiff_t gate_stride = 0;
};

/// Where the codes of a value lie: in the forms that its node makes.
struct ValueBuffers {
  Rows16 s16 = {};
  Rows8 u8 = {};
  BufferId s32 = -1;     ///< logits without gaps
  Rows16 branches = {};  ///< of a gated linear unit: gate in the first half of the columns, up in the second
  QkvRows qkv = {};
};

/// A product's tensors.
struct Product {
  const std::int8_t* weight = nullptr;
  const std::int32_t *bias = nullptr, *multiplier = nullptr;
  int depth = 0;
  const std::uint8_t* four_bit_codes = nullptr;  ///< in place of `weight`, where that is null
  const std::int8_t* group_multiplier = nullptr;

  /// The kernel's arguments for one part of a block.
  kernels::Gemm part(const QuantizedBlock& block, const std::uint8_t* a, const Part& part) const {
    const int column = block.first_column + part.column;
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(column) * depth;
    return {.rows = part.rows,
            .columns = part.columns,
            .depth = depth,
            .a = a + static_cast<std::ptrdiff_t>(part.row) * depth,
            .b = weight ? weight + first : nullptr,
            .bias = bias + column,
            .multiplier = multiplier + column,
            .shift = std::max(block.shift, 33),
            .pre_shift = std::max(33 - block.shift, 0),
            .four_bit = weight ? kernels::FourBitWeights{}
                               : kernels::FourBitWeights{.codes = four_bit_codes + first / 2,
                                                         .multiplier = group_multiplier + first / kernels::kGroupDepth,
                                                         .scratch = part.scratch}};
  }
};

class IntegerPass;

/// A node made ready to run. Each op has its own, in one of the files integer_*.cc.
class BoundOp {
 public:
  virtual ~BoundOp() = default;

  /// `kind`: what rows of its value stand for.
  virtual NodeCodes run(IntegerPass& pass, RowKind kind) const = 0;
};

/// What bind_graph() makes.
struct BoundGraph {
  std::vector<std::unique_ptr<const BoundOp>> ops = {};  ///< by node
  std::vector<ValueBuffers> values = {};                 ///< by node
  std::vector<RowKind> rows = {};                        ///< by node: what its value's rows stand for
  std::vector<int> removed = {}, removed_before = {};    ///< by node: tokens that its value's sequences have lost, and
                                                         ///< those of its first input
  BufferPlan plan = {};
  int attentions = 0;
  int largest_head_size = 4;
  std::size_t four_bit_scratch_bytes = 0;  ///< that each thread needs; 0: no weights have 4 bits
};

/// The graph must have passed check_quantized(). Pointers are into the model's tensors.
BoundGraph bind_graph(const Model::Data& data);

/// What an op asks for while it is bound: buffers that it fills, those of its inputs, tensors.
class Binder {
 public:
  Binder(const Model::Data& data, BoundGraph& result) : data_(data), result_(result) {}

  /// Binds the next node.
  void bind(const Node& node, const QuantizedOp& constants);

  const std::vector<BufferNeed>& needs() const { return needs_; }

  int max_positions() const { return data_.info.max_positions; }
  int columns() const { return data_.graph.columns(node_->output); }
  const ValueBuffers& input(std::size_t i) const { return result_.values[static_cast<std::size_t>(node_->inputs[i])]; }

  /// Where the codes of the node's value lie; what it does not make stays empty.
  ValueBuffers& made() { return result_.values.back(); }

  /// The place of an attention among those of the graph.
  std::size_t add_attention(int head_size);
  /// Heads of an input that is a product of Q, K and V.
  AttentionFacts heads_of_input(std::size_t i) const { return heads_of(data_.graph, node_->inputs[i]); }
  const Value& input_value(std::size_t i) const { return data_.graph.value(node_->inputs[i]); }
  /// Of the node, which is an attention.
  AttentionFacts attention() const { return attention_facts(data_.graph, *node_).value(); }

  static std::ptrdiff_t stride_of(int columns) { return round_up(columns, kernels::kPanelColumns); }

  // Buffers; scratch is there only while the node runs.
  BufferId need(std::size_t row_bytes) { return add({.value = node_->output, .row_bytes = row_bytes}); }
  BufferId need_scratch(std::size_t row_bytes) {
    return add({.value = node_->output, .row_bytes = row_bytes, .scratch = true});
  }
  /// Takes over those of `in_place_of` where nobody reads them later.
  Rows16 need_rows16(int of_columns, const Rows16& in_place_of = {});
  Rows8 need_rows8(int of_columns, const Refined& refined = {});

  template <typename T>
  const T* get(const std::string& suffix) const {
    return get_of<T>(data_.graph.name(node_->output) + suffix);
  }
  /// The same by a name of its own.
  template <typename T>
  const T* get_of(const std::string& name) const {
    return tensor(data_.tensors, name).template as<T>().data();
  }
  Product product(int depth, const std::string& of = "");
  kernels::NormConstants norm_constants(const std::string& of, const QuantizedNormOutput& constants) const;
  /// Without rows, places and lanes.
  static kernels::LayerNorm layer_norm(int of_columns, std::int64_t epsilon, std::ptrdiff_t stride);

 private:
  BufferId add(const BufferNeed& need) {
    needs_.push_back(need);
    return static_cast<BufferId>(needs_.size()) - 1;
  }

  const Model::Data& data_;
  BoundGraph& result_;
  const Node* node_ = nullptr;
  std::vector<BufferNeed> needs_ = {};
};

/// What runs an op. Specialized for each in the file that runs it: without its own, a new op does not link.
template <typename Op>
std::unique_ptr<const BoundOp> bind_op(const Op& op, const Constants<Op>& constants, Binder& binder);

}  // namespace octavo
