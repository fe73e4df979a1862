// What calibration remembers of the values that it sees: one range each, however many samples there are.
#pragma once

#include "octavo/quantization.h"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace octavo {

/// Smallest and largest value; both NaN once a value was not finite.
struct Range {
  float low = 0.0f, high = 0.0f;
};

/// Ranges by the values' names.
using Ranges = std::map<std::string, Range, std::less<>>;

/// Samples that running min-max takes for one batch, whatever the batches are that they are run in.
constexpr std::int64_t kRunningSamples = 32;

/// Estimates ranges from batches. A value may be observed in several parts of one batch.
class RangeObserver {
 public:
  explicit RangeObserver(RangeMethod method) : method_(method) {}

  void begin_batch();

  /// Gives the range of these values.
  Range observe(std::string_view name, std::span<const float> values);

  /// Merges what the batch has so far into the ranges before it: r = 0.9 r + 0.1 batch (the first batch as it is) for
  /// running_minmax, else min-max. More of the same batch may follow.
  void end_part();

  const Ranges& ranges() const { return ranges_; }

  /// Gives the smallest and the largest values ever seen, whatever the method makes of them.
  const Ranges& extremes() const { return method_ == RangeMethod::running_minmax ? extremes_ : ranges_; }

 private:
  RangeMethod method_;
  Ranges before_, batch_, ranges_;
  Ranges extremes_;  // of running min-max, whose ranges are something else
};

/// Tells how far other values go beyond the range that was observed for them: the part on the side where that is more,
/// relative to the range's width, at most 1; the mean over all values that both have, finite ones only.
double mean_excess(const Ranges& observed, const Ranges& others);

}  // namespace octavo
