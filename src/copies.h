// Saturating copies (fixed-point.md 7): which neurons get more columns so that the others get a finer step.
#pragma once

#include "observers.h"

#include <span>
#include <vector>

namespace octavo {

struct Copies {
  std::vector<int> count;  ///< per neuron, at least 1; empty when copies would not narrow the range by a tenth
  Range common;            ///< of one copy: what the quantizer of the value is made of
};

/// The finest common range with which at most `budget` columns are added, none more than 31 for one neuron. `highest`
/// is the largest output of each neuron, `range` that of the value.
Copies choose_copies(std::span<const float> highest, const Range& range, int budget);

}  // namespace octavo
