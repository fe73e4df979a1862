// What calibration remembers of the values that it sees: one range each, however many samples there are.
#pragma once

#include "octavo/quantization.h"

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

/// Estimates ranges from batches. A value may be observed in several parts of one batch.
class RangeObserver {
 public:
  explicit RangeObserver(RangeMethod method) : method_(method) {}

  void begin_batch() { batch_.clear(); }
  void observe(std::string_view name, std::span<const float> values);

  /// Merges the batch into the ranges: r = 0.9 r + 0.1 batch (the first batch as it is) for running_minmax, else
  /// min-max.
  void end_batch();

  const Ranges& ranges() const { return ranges_; }

 private:
  RangeMethod method_;
  Ranges batch_, ranges_;
};

}  // namespace octavo
