// Runs a quantized graph with integer kernels: from token ids to the codes of the last hidden state.
#pragma once

#include "graph/model_data.h"
#include "kernels/kernels.h"
#include "runtime/ragged.h"

#include "octavo/batch.h"
#include "octavo/workspace.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

namespace octavo {

/// Where the codes of a value lie after its node has run; what tests compare stage by stage. Pointers are null for
/// forms that the node does not make, and are valid until the next node runs.
struct NodeCodes {
  const std::int16_t* stream = nullptr;  ///< [rows][stream_stride]
  std::ptrdiff_t stream_stride = 0;
  kernels::ByteMatrix bytes = {};       ///< u8 codes in tile order
  kernels::ByteMatrix fine = {};        ///< kFineBits or fewer bits more of them; null where a value has none
  const std::uint8_t* query = nullptr;  ///< [rows][qkv_stride]
  const std::int8_t* key = nullptr;
  const std::int8_t* value = nullptr;
  std::ptrdiff_t qkv_stride = 0;
  std::span<const std::uint8_t> probabilities =
      {};  ///< of attention, in steps of the row's own: of each sequence in turn [heads][length][length],
           ///< 0 where a query sees no key; empty in the paper's setting and behind a cache
  const std::int16_t* gate = nullptr;  ///< [rows][gate_stride]
  std::ptrdiff_t gate_stride = 0;
};

/// Called after every node with the node's index in the graph.
using CodeObserver = void (*)(void* context, std::size_t node, const NodeCodes& codes);

/// Called with the index in the list of chosen rows, the pool's thread that calls, and that row's logits over the
/// vocabulary; from several threads at a time.
using IntegerLogits = std::function<void(std::size_t index, int thread, std::span<const std::int32_t> logits)>;

class IntegerExecutor {
 public:
  IntegerExecutor(std::shared_ptr<const Model::Data> data, kernels::Isa isa);
  ~IntegerExecutor();
  IntegerExecutor(IntegerExecutor&&) noexcept;
  IntegerExecutor& operator=(IntegerExecutor&&) noexcept;

  /// The last hidden state's codes: s16, row-major with hidden_size columns, in the workspace. No float instruction
  /// runs in here.
  std::span<const std::int16_t> forward(const RaggedBatch& batch, Workspace::Data& workspace,
                                        CodeObserver observer = nullptr, void* context = nullptr) const;

  /// The head's logits of every sequence: s32, row-major, in the workspace, in steps of logit_scale(). Integers only,
  /// as forward(). The graph must have a head.
  std::span<const std::int32_t> logits(const RaggedBatch& batch, Workspace::Data& workspace) const;
  float logit_scale() const;

  /// The language head's logits of chosen rows of the batch, one row after the other: s32 over the vocabulary, in steps
  /// of token_logit_scale(). Integers only, as forward(). The graph must have a language head.
  void token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace::Data& workspace,
                    const IntegerLogits& visit) const;
  float token_logit_scale() const;

  /// Per sequence, the sum of its rows of `codes` but the batch's prefix, exact: s32, row-major, in the workspace.
  /// Integers only, as forward().
  std::span<const std::int32_t> sum_tokens(const RaggedBatch& batch, std::span<const std::int16_t> codes,
                                           Workspace::Data& workspace) const;

  /// What one code of forward()'s result is worth.
  float output_scale() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
