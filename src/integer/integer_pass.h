// One pass of the integer executor over one batch: what ops run on.
#pragma once

#include "integer/bound_ops.h"
#include "integer/integer_executor.h"
#include "runtime/partition.h"
#include "runtime/workspace.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
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

  /// Whose values are taken where rows are chosen: rows of the batch. Buffers for more rows than before are new.
  void choose(std::span<const std::int32_t> rows);

  /// From now on codes that kernels need not leave anywhere are left for an observer.
  void observe() { observed_ = true; }

  /// Runs one node.
  NodeCodes run(std::size_t node);

  /// Runs row-wise ops, those without attention or sequences, over some rows of tokens only.
  void set_block(const RowBlock& block) { block_ = block; }

  /// A value's rows one behind the other, without the gaps between them.
  std::span<const std::int16_t> packed_rows(const Rows16& rows, int count);

  // What ops work with.
  const kernels::KernelTable& table() const { return table_; }
  /// As it is for the node that runs, which reads values whose sequences may have lost tokens.
  const RaggedBatch& batch() const { return batch_without(removed_); }
  const RaggedBatch& batch_without(int tokens) const { return tokens == 0 ? batch_ : fewer_.at(tokens); }
  /// Tokens that each row stands for where so many are gone; for who merges them to fill.
  std::vector<std::int32_t>& sizes_without(int tokens) { return fewer_.at(tokens).sizes; }
  Workspace::Data& workspace() const { return workspace_; }
  std::span<const std::int32_t> chosen() const { return chosen_; }
  bool observed() const { return observed_; }
  std::uint8_t* attention_scratch(int thread) const {
    return attention_scratch_ + static_cast<std::size_t>(thread) * attention_scratch_bytes_;
  }

  template <typename T>
  T* at(BufferId buffer) const {
    return buffer < 0 ? nullptr : reinterpret_cast<T*>(buffers_[static_cast<std::size_t>(buffer)]);
  }
  std::int16_t* rows_at(const Rows16& rows, int row = 0) const {
    return at<std::int16_t>(rows.buffer) + row * rows.stride;
  }
  kernels::ByteMatrix bytes_at(const Rows8& rows) const {
    return tile_order(at<std::uint8_t>(rows.buffer), refined_depth(rows.columns, rows.refined));
  }
  NodeCodes codes_of(const Rows8& rows) const;

  /// Coarse codes of a value, where it has them.
  void write_coarse(const Rows8& rows, const RowBlock& block) const;

  int rows_of(RowKind kind) const { return batch().rows(kind, chosen_.size()); }
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
          if (four_bit_scratch_)
            part.scratch = four_bit_scratch_ + static_cast<std::size_t>(part.thread) * graph_.four_bit_scratch_bytes;
          task(part);
        },
        products);
  }
  template <typename Task>
  void for_rows(const RowBlock& block, int columns, const Task& task) const {
    octavo::for_rows(workspace_.pool, block.count, columns, [&](int row, int rows) { task(block.first + row, rows); });
  }

 private:
  const BoundGraph& graph_;
  const kernels::KernelTable& table_;
  const RaggedBatch& batch_;
  std::map<int, RaggedBatch> fewer_ = {};  // by how many tokens each sequence has lost
  int removed_ = 0;                        // from what the node that runs reads
  Workspace::Data& workspace_;
  std::span<const std::int32_t> chosen_ = {};
  std::vector<std::byte*> buffers_ = {};  // by BufferId
  RowBlock block_ = {};
  bool observed_ = false;
  std::uint8_t* attention_scratch_ = nullptr;
  std::size_t attention_scratch_bytes_ = 0;  // of each thread
  std::int8_t* four_bit_scratch_ = nullptr;
};

}  // namespace octavo
