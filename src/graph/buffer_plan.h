// Which buffers the values of a graph share while it runs: planned once per model, by when each value is read last.
#pragma once

#include "graph/graph.h"

#include <array>
#include <cstddef>
#include <vector>

namespace octavo {

/// One buffer that a node fills.
struct BufferNeed {
  ValueId value = -1;         ///< of the node
  std::size_t row_bytes = 0;  ///< of each row of the value
  bool scratch = false;       ///< only while the node runs
  int in_place_of = -1;       ///< index of an earlier need: its buffer becomes this one's when this node reads it last
};

struct BufferPlan {
  /// Bytes per row of each kind that the widest user of a slot needs.
  struct Slot {
    std::array<std::size_t, 3> row_bytes = {};  ///< by RowKind
  };
  std::vector<int> slot_of;    ///< by need
  std::vector<bool> in_place;  ///< by need: whether it has the buffer that it asked for
  std::vector<Slot> slots;

  /// Bytes of a slot for so many rows of each kind.
  std::size_t bytes(std::size_t slot, const std::array<std::size_t, 3>& rows) const;
};

/// `needs` are in the order of the nodes. What an output of the graph is made of stays to the end.
BufferPlan plan_buffers(const Graph& graph, const std::vector<BufferNeed>& needs);

}  // namespace octavo
