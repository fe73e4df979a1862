// Runs a quantized graph with integer kernels: from token ids or pixels to the codes of an output.
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
  const std::uint8_t* query = nullptr;  ///< [rows][query_stride]
  const std::int8_t* key = nullptr;     ///< [rows][key_stride]
  const std::int8_t* value = nullptr;
  std::ptrdiff_t query_stride = 0, key_stride = 0;
  std::span<const std::uint8_t> probabilities =
      {};  ///< of attention, in steps of the row's own: of each sequence in turn [heads][length][length],
           ///< 0 where a query sees no key; empty in the paper's setting and behind a cache
  const std::int16_t* gate = nullptr;  ///< [rows][gate_stride]
  std::ptrdiff_t gate_stride = 0;
  const std::int32_t* logits = nullptr;  ///< [rows][columns]
};

/// Called after every node with the node's index in the graph.
using CodeObserver = void (*)(void* context, std::size_t node, const NodeCodes& codes);

/// Codes of a value, row-major and without gaps: s16, or s32 of logits; the other is empty. They lie in the workspace.
struct OutputCodes {
  std::span<const std::int16_t> s16 = {};
  std::span<const std::int32_t> s32 = {};
};

/// Called with the index in the list of chosen rows, the pool's thread that calls, and that row's codes; from several
/// threads at a time.
using IntegerRowVisitor = std::function<void(std::size_t index, int thread, const OutputCodes& row)>;

class IntegerExecutor {
 public:
  IntegerExecutor(std::shared_ptr<const Model::Data> data, kernels::Isa isa);
  ~IntegerExecutor();
  IntegerExecutor(IntegerExecutor&&) noexcept;
  IntegerExecutor& operator=(IntegerExecutor&&) noexcept;

  /// A value of 16 or 32 bits, whose rows must not be chosen tokens. No float instruction runs in here. An observer
  /// sees the nodes that the value is made from.
  OutputCodes run(ValueId value, const RaggedBatch& batch, Workspace::Data& workspace, CodeObserver observer = nullptr,
                  void* context = nullptr) const;

  /// A value of chosen tokens, row by row: `rows` are those of the batch. Integers only, as run().
  void visit_chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                    Workspace::Data& workspace, const IntegerRowVisitor& visit) const;

  /// Per sequence, the sum of its rows of `codes` but the batch's prefix, exact: s32, row-major, in the workspace.
  /// Integers only, as run().
  std::span<const std::int32_t> sum_tokens(const RaggedBatch& batch, std::span<const std::int16_t> codes,
                                           Workspace::Data& workspace) const;

  /// What one code of a value is worth.
  float scale(ValueId value) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
