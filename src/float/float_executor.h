// Runs a graph in float32: the reference that integer results are measured against, and what calibration watches.
#pragma once

#include "graph/model_data.h"
#include "runtime/ragged.h"

#include "octavo/batch.h"
#include "octavo/workspace.h"

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string_view>

namespace octavo {

/// Called with each value as it is made: its name, its elements, row-major with `columns` columns.
using Observer = std::function<void(std::string_view name, std::span<const float> values, int columns)>;

/// Called at each place where the paper has a quantizer (docs/fixed-point.md 9), with a value that it may change before
/// anything reads it. Beyond the graph's values: the stages `partial` of embeddings, `scores` and `probs` of attention
/// for all sequences and heads at once, `product` of a LinearAdd.
using Transform = std::function<void(std::string_view name, std::span<float> values)>;

/// Called with a copy of what a product or attention is about to read, which it may change: an input of a product under
/// the value's name, Q, K and V under their blocks' names. The residual stream keeps what it had.
using Editor = std::function<void(std::string_view name, std::span<float> values, int columns)>;

/// What a run reports to its observer beyond the graph's values.
enum class ObserveStages {
  values,  ///< outputs of nodes, of each block of a QkvProduct under the block's name, and the stage `product` of sums,
           ///< of patches before their norm, and of 16-bit rows before their activation
  all,     ///< also, per AttentionOp: its stage `probs` [heads * length, length] of each sequence in turn (after
           ///< clipping), and `gate` [total rows, heads] (sigmoid, without scale)
};

/// Who looks at a run, and what they may change.
struct FloatHooks {
  Observer observer = {};
  ObserveStages stages = ObserveStages::values;
  Transform transform = {};
  Editor editor = {};
};

/// Called with the index in the list of chosen rows, and that row's values; from several threads at a time.
using FloatRowVisitor = std::function<void(std::size_t index, std::span<const float> row)>;

class FloatExecutor {
 public:
  /// Converts the weights of products to f32 and packs them for oneDNN: as many as take `weight_bytes` once, the others
  /// whenever they are used. Copies share them.
  explicit FloatExecutor(std::shared_ptr<const Model::Data> data,
                         std::size_t weight_bytes = std::numeric_limits<std::size_t>::max());

  /// The same model with other tensors that this node of the graph reads; what belongs to other nodes is shared.
  FloatExecutor with_tensors(std::size_t node, TensorMap tensors) const;

  /// The last hidden state, f32 [batch.rows(), hidden_size]. With an observer every node is run, but for logits of
  /// chosen tokens; these are all tokens then.
  Tensor run(const RaggedBatch& batch, Workspace::Data& workspace, const FloatHooks& hooks = {}) const;

  /// A value of the graph, f32 [rows of its kind, columns]; its rows must not be chosen tokens.
  Tensor value(ValueId value, const RaggedBatch& batch, Workspace::Data& workspace, const FloatHooks& hooks = {}) const;

  /// A value of chosen tokens, row by row: `rows` are those of the batch.
  void visit_chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                    Workspace::Data& workspace, const FloatRowVisitor& visit) const;

  // float_run.h
  struct Impl;
  struct Run;

 private:
  std::shared_ptr<const Impl> impl_;
};

}  // namespace octavo
