// A histogram of float values that arrive bit by bit: memory of a fixed size, bins of one width, whatever the range.
#pragma once

#include "observers/observers.h"

#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// Bins are [i w, (i + 1) w). Their width w is a power of two that doubles when a value falls outside.
class Histogram {
 public:
  explicit Histogram(int bins = 16384) : counts_(static_cast<std::size_t>(bins)) {}

  /// Values that are not finite are ignored.
  void add(std::span<const float> values);

  /// The values of another histogram, each as (middle of its bin - shift) / scale.
  void add_transformed(const Histogram& other, float shift, float scale);

  std::int64_t total() const { return total_; }
  double bin_width() const { return width_; }

  /// From the (100 - percent)th to the percent-th percentile, exact to a bin and never beyond the values seen.
  Range percentile(double percent) const;

  /// The range with the least squared error of 8-bit codes, by a search over both ends in steps of a hundredth.
  Range least_squares() const;

  /// Mean squared error of 8-bit codes over this range, with the values of a bin at its middle.
  double squared_error(const Range& range) const;

 private:
  void add(float value, std::int64_t count);
  void widen_for(float value);
  double begin(std::size_t bin) const;

  std::vector<std::int64_t> counts_;
  double width_ = 0.0;  // 0: no value yet
  std::int64_t total_ = 0;
  Range seen_;
};

}  // namespace octavo
