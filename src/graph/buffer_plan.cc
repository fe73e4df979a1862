#include "graph/buffer_plan.h"

#include <algorithm>

namespace octavo {
namespace {

/// By value: the last node that reads it; one behind the last node for an output, and for what nodes of chosen tokens
/// read of all tokens, since they run again for every few of them.
std::vector<std::size_t> last_readers(const Graph& graph) {
  std::vector<std::size_t> last(graph.values.size(), 0);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    last[i] = std::max(last[i], i);
    for (const ValueId input : graph.nodes[i].inputs) {
      const bool again =
          graph.values[i].rows == RowKind::chosen_token && graph.value(input).rows != RowKind::chosen_token;
      std::size_t& reader = last[static_cast<std::size_t>(input)];
      reader = std::max(reader, again ? graph.nodes.size() : i);
    }
  }
  for (const GraphOutput& output : graph.outputs) last[static_cast<std::size_t>(output.value)] = graph.nodes.size();
  return last;
}

class Planner {
 public:
  Planner(const Graph& graph, const std::vector<BufferNeed>& needs)
      : graph_(graph), needs_(needs), last_(last_readers(graph)) {
    plan_.slot_of.assign(needs.size(), -1);
    plan_.in_place.assign(needs.size(), false);
  }

  BufferPlan run() {
    std::size_t need = 0;
    for (std::size_t node = 0; node < graph_.nodes.size(); ++node) {
      const std::size_t first = need;
      for (; need < needs_.size() && static_cast<std::size_t>(needs_[need].value) == node; ++need) place(need, node);
      release(first, need, node);
    }
    return std::move(plan_);
  }

 private:
  void place(std::size_t need, std::size_t node) {
    const BufferNeed& wanted = needs_[need];
    const auto of = static_cast<std::size_t>(wanted.in_place_of);
    const bool takes_over = wanted.in_place_of >= 0 && last_[static_cast<std::size_t>(needs_[of].value)] == node;
    if (takes_over) {
      plan_.slot_of[need] = plan_.slot_of[of];
      plan_.in_place[need] = true;
      live_.erase(std::find(live_.begin(), live_.end(), of));
    } else {
      plan_.slot_of[need] = free_slot();
    }
    BufferPlan::Slot& slot = plan_.slots[static_cast<std::size_t>(plan_.slot_of[need])];
    std::size_t& bytes = slot.row_bytes[static_cast<std::size_t>(graph_.value(wanted.value).rows)];
    bytes = std::max(bytes, wanted.row_bytes);
    live_.push_back(need);
  }

  int free_slot() {
    if (free_.empty()) {
      plan_.slots.emplace_back();
      return static_cast<int>(plan_.slots.size()) - 1;
    }
    const int slot = free_.back();
    free_.pop_back();
    return slot;
  }

  /// What the node read last, and its scratch: `first` .. `end` are its own needs.
  void release(std::size_t first, std::size_t end, std::size_t node) {
    std::erase_if(live_, [&](std::size_t need) {
      const bool scratch = need >= first && need < end && needs_[need].scratch;
      if (!scratch && last_[static_cast<std::size_t>(needs_[need].value)] > node) return false;
      free_.push_back(plan_.slot_of[need]);
      return true;
    });
  }

  const Graph& graph_;
  const std::vector<BufferNeed>& needs_;
  const std::vector<std::size_t> last_;
  std::vector<std::size_t> live_;  // needs whose buffers are taken
  std::vector<int> free_;          // slots
  BufferPlan plan_;
};

}  // namespace

std::size_t BufferPlan::bytes(std::size_t slot, const std::array<std::size_t, 3>& rows) const {
  std::size_t most = 0;
  for (std::size_t kind = 0; kind < rows.size(); ++kind)
    most = std::max(most, rows[kind] * slots[slot].row_bytes[kind]);
  return most;
}

BufferPlan plan_buffers(const Graph& graph, const std::vector<BufferNeed>& needs) {
  return Planner(graph, needs).run();
}

}  // namespace octavo
