// Values of chosen tokens are made for a few rows at a time: over a vocabulary, all of them need not fit into memory.
#pragma once

#include "graph/graph.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace octavo {

/// Rows whose logits are made at once.
inline constexpr std::size_t kChosenRows = 32;

/// Calls `part(first, rows)` for one run of at most kChosenRows of the list after the other.
template <typename Part>
void for_chosen_rows(std::span<const std::int32_t> rows, const Part& part) {
  for (std::size_t first = 0; first < rows.size(); first += kChosenRows)
    part(first, rows.subspan(first, std::min(kChosenRows, rows.size() - first)));
}

}  // namespace octavo
