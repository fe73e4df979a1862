// One pass of the integer executor over one batch: what the files integer_*.cc share.
#pragma once

#include "integer/bound_ops.h"
#include "integer/integer_executor.h"
#include "runtime/partition.h"
#include "runtime/workspace.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

inline kernels::ByteMatrix tile_order(std::uint8_t* data, int depth) {
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

/// Rows of tokens that row-wise ops work on: all of them, or a block of them that a thread takes through several ops.
struct RowBlock {
  int first = 0;   ///< multiple of 16
  int count = -1;  ///< -1: to the last one
};

/// A pass holds no state of its own but places: a span of a graph's ops can run over a part of a batch by a pass of its
/// own.
class IntegerPass {
 public:
  IntegerPass(const BoundGraph& graph, const kernels::KernelTable& table, const RaggedBatch& batch,
              Workspace::Data& workspace);

  /// Whose values SelectRows takes where rows are chosen: rows of the batch. Buffers for more rows than before are new.
  void choose(std::span<const std::int32_t> rows);

  /// From now on codes that kernels need not leave anywhere are left for an observer.
  void observe() { observed_ = true; }

  /// Runs one node.
  NodeCodes run(std::size_t node);

  /// Runs row-wise ops, those without attention or sequences, over some rows of tokens only.
  void set_block(const RowBlock& block) { block_ = block; }

  /// A value's rows one behind the other, without the gaps between them.
  std::span<const std::int16_t> packed_rows(const Rows16& rows, int count);

  template <typename T>
  T* at_slot(Slot slot) const {
    return slot < 0 ? nullptr : reinterpret_cast<T*>(slots_[static_cast<std::size_t>(slot)]);
  }

 private:
  // integer_ops.cc: embeddings, sums, LayerNorm
  NodeCodes execute(const BoundEmbedTokens& op, RowKind kind);
  NodeCodes execute(const BoundLinearAdd& op, RowKind kind);
  NodeCodes execute(const BoundLayerNorm& op, RowKind kind);
  void normalize_groups(const BoundLayerNorm& op, int row, int rows) const;
  // integer_linear.cc
  NodeCodes execute(const BoundLinear& op, RowKind kind);
  NodeCodes make_bytes(const BoundLinear& op, const std::uint8_t* a, const RowBlock& block);
  NodeCodes make_rows(const BoundLinear& op, const std::uint8_t* a, int rows);
  const std::uint8_t* bytes_of_rows(const BoundLinear& op, int rows);
  // integer_qkv.cc
  NodeCodes execute(const BoundQkv& op, RowKind kind);
  void make_hidden_units(const BoundQkv& op, const std::uint8_t* a, const RowBlock& rows);
  void make_gate_logits(const BoundQkv& op, const Product& product, const QuantizedBlock& block, const std::uint8_t* a,
                        const RowBlock& rows);
  // integer_attention.cc
  NodeCodes execute(const BoundAttention& op, RowKind kind);
  kernels::Attention attention_call(const BoundAttention& op, const kernels::AttentionConstants& constants,
                                    int sequence, int head) const;
  // integer_ends.cc: patches, and the rows that heads read
  NodeCodes execute(const BoundEmbedPatches& op, RowKind kind);
  NodeCodes execute(const BoundSelectRows& op, RowKind kind);
  void select_sequence(const BoundSelectRows& op, int sequence);

  int rows_of(RowKind kind) const { return batch_.rows(kind, chosen_.size()); }
  RowBlock block_of(RowKind kind) const {
    const int rows = rows_of(kind);
    if (kind != RowKind::token || block_.count < 0) return {.first = 0, .count = rows};
    return {.first = block_.first, .count = std::min(block_.count, rows - block_.first)};
  }

  /// The cuts of partition.h within the rows of a block.
  template <typename Task>
  void for_parts(const RowBlock& rows, int columns, int depth, const Task& task, int products = 1) const {
    octavo::for_parts(
        workspace_.pool, rows.count, columns, depth,
        [&](Part part) {
          part.row += rows.first;
          task(part);
        },
        products);
  }
  template <typename Task>
  void for_rows(const RowBlock& block, int columns, const Task& task) const {
    octavo::for_rows(workspace_.pool, block.count, columns, [&](int row, int rows) { task(block.first + row, rows); });
  }

  kernels::ByteMatrix bytes_at(const Rows8& rows) const {
    return tile_order(at_slot<std::uint8_t>(rows.slot), refined_depth(rows.columns, rows.refined));
  }
  std::int16_t* rows_at(const Rows16& rows, int row = 0) const {
    return at_slot<std::int16_t>(rows.slot) + row * rows.stride;
  }

  /// Coarse codes of a value, where it has them.
  void write_coarse(const Rows8& rows, const RowBlock& block) const;
  NodeCodes codes_of(const Rows8& rows) const;

  const BoundGraph& graph_;
  const kernels::KernelTable& table_;
  const RaggedBatch& batch_;
  Workspace::Data& workspace_;
  std::span<const std::int32_t> chosen_ = {};
  std::vector<std::byte*> slots_ = {};
  RowBlock block_ = {};
  bool observed_ = false;
  std::uint8_t* attention_scratch_ = nullptr;
  std::size_t attention_scratch_bytes_ = 0;  // of each thread
};

}  // namespace octavo
