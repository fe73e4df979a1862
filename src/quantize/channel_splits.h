// Channel splits (fixed-point.md 7): which neurons get more columns so that the others get a finer step.
#pragma once

#include "observers/column_statistics.h"
#include "observers/observers.h"

#include <span>
#include <vector>

namespace octavo {

struct ChannelSplits {
  std::vector<int> count;  ///< per neuron, at least 1; empty when copies would not narrow the range by a tenth
  Range common;            ///< of one copy: what the quantizer of the value is made of
};

/// What each column may reach on data not seen: its largest value, times 1 + 3 g. Half of the samples miss a share g of
/// what all reach, on the average over columns and halves, so g is about what each doubling of the data adds; three of
/// them is eight times the data. One sample alone does not tell: g is then 0.
std::vector<float> expected_highest(const ColumnStatistics& statistics);

/// The finest common range with which at most `budget` columns are added, none more than 31 for one neuron. `highest`
/// is what each neuron may reach, which is cut at the end of `range`, the value's.
ChannelSplits choose_channel_splits(std::span<const float> highest, const Range& range, int budget);

}  // namespace octavo
