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
/// anything reads it. Beyond the graph's values: "E.partial" of embeddings E (words and types, before positions),
/// "A.scores" and "A.probs" of attention A for all sequences and heads at once, "L.product" of a LinearAdd L.
using Transform = std::function<void(std::string_view name, std::span<float> values)>;
/// Called with a copy of what a product or attention is about to read, which it may change: an input of a product under
/// the value's name, Q, K and V under their blocks' names. The residual stream keeps what it had.
using Editor = std::function<void(std::string_view name, std::span<float> values, int columns)>;

/// What a run reports to its observer beyond the graph's values.
enum class ObserveStages {
  values,  ///< outputs of nodes, of each block of a QkvProduct under the block's name, of patches before their norm as
           ///< "P.product" (EmbedPatches value P), and of a head's normalised input as "H.input" (Head value H)
  all,     ///< also, per AttentionOp value `A`: "A.probs" [heads * length, length] of each sequence in turn (after
           ///< clipping) and "A.gate" [total rows, heads] (sigmoid, without scale)
};

/// Called with the index in the list of chosen rows, and that row's logits over the vocabulary; from several threads at
/// a time.
using FloatLogits = std::function<void(std::size_t index, std::span<const float> logits)>;

/// Rows whose logits are made at once: they need not all fit into memory.
constexpr std::size_t kLogitRows = 32;

class FloatExecutor {
 public:
  /// Converts the weights of products to f32 and packs them for oneDNN: as many as take `weight_bytes` once, the others
  /// whenever they are used. Copies share them.
  explicit FloatExecutor(std::shared_ptr<const Model::Data> data,
                         std::size_t weight_bytes = std::numeric_limits<std::size_t>::max());

  /// The same model with other tensors that this node of the graph reads; what belongs to other nodes is shared.
  FloatExecutor with_tensors(std::size_t node, TensorMap tensors) const;

  /// The last hidden state, f32 [batch.rows(), hidden_size].
  Tensor run(const RaggedBatch& batch, Workspace::Data& workspace, const Observer& observer = {},
             ObserveStages stages = ObserveStages::values, const Transform& transform = {},
             const Editor& editor = {}) const;

  /// The head's logits, f32 [batch.sequences(), classes]; the graph must have a head.
  Tensor logits(const RaggedBatch& batch, Workspace::Data& workspace) const;

  /// The language head's logits of chosen rows of the batch, one row after the other; the graph must have a language
  /// head.
  void token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace::Data& workspace,
                    const FloatLogits& visit) const;

 private:
  struct Impl;
  struct Run;
  std::shared_ptr<const Impl> impl_;
};

}  // namespace octavo
