#include "observers/histogram.h"

#include "base/fixed_point.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octavo {

/// The bins cover [-w n/2, w n/2). Doubling w merges neighbours in pairs.
void Histogram::widen_for(float value) {
  const auto half = static_cast<std::int64_t>(counts_.size() / 2);
  const double magnitude = std::abs(static_cast<double>(value));
  if (width_ == 0.0) width_ = std::exp2(std::ceil(std::log2(std::max(magnitude, 1e-20) / static_cast<double>(half))));
  while (!(magnitude < width_ * static_cast<double>(half))) {
    std::vector<std::int64_t> merged(counts_.size());
    for (std::int64_t i = -half; i < half; ++i) {
      merged[static_cast<std::size_t>((i >> 1) + half)] += counts_[static_cast<std::size_t>(i + half)];
    }
    counts_ = std::move(merged);
    width_ *= 2.0;
  }
}

void Histogram::add(float value, std::int64_t count) {
  if (!std::isfinite(value)) return;
  widen_for(value);
  const auto bin = static_cast<std::int64_t>(std::floor(static_cast<double>(value) / width_));
  counts_[static_cast<std::size_t>(bin + static_cast<std::int64_t>(counts_.size() / 2))] += count;
  seen_ = total_ == 0 ? Range{value, value} : Range{std::min(seen_.low, value), std::max(seen_.high, value)};
  total_ += count;
}

void Histogram::add(std::span<const float> values) {
  for (const float value : values) add(value, 1);
}

double Histogram::begin(std::size_t bin) const {
  return (static_cast<double>(bin) - static_cast<double>(counts_.size() / 2)) * width_;
}

void Histogram::add_transformed(const Histogram& other, float shift, float scale) {
  for (std::size_t i = 0; i < other.counts_.size(); ++i) {
    if (other.counts_[i] == 0) continue;
    const double middle = std::clamp(other.begin(i) + other.width_ / 2.0, static_cast<double>(other.seen_.low),
                                     static_cast<double>(other.seen_.high));
    add((static_cast<float>(middle) - shift) / scale, other.counts_[i]);
  }
}

Range Histogram::percentile(double percent) const {
  if (total_ == 0) return {};
  const double tail = std::floor(static_cast<double>(total_) * (100.0 - percent) / 100.0 + 1e-6);
  std::size_t low = 0, high = counts_.size() - 1;
  for (double below = 0.0; below + static_cast<double>(counts_[low]) <= tail && low < high; ++low) {
    below += static_cast<double>(counts_[low]);
  }
  for (double above = 0.0; above + static_cast<double>(counts_[high]) <= tail && high > low; --high) {
    above += static_cast<double>(counts_[high]);
  }
  return {.low = std::max(seen_.low, static_cast<float>(begin(low))),
          .high = std::min(seen_.high, static_cast<float>(begin(high + 1)))};
}

double Histogram::squared_error(const Range& range) const {
  const Quantizer q = asymmetric_u8(range.low, range.high);
  double sum = 0.0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const double x = begin(i) + width_ / 2.0;
    const double code = std::clamp(std::nearbyint(x / q.scale) + q.zero_point, 0.0, 255.0);
    const double error = (code - q.zero_point) * q.scale - x;
    sum += error * error * static_cast<double>(counts_[i]);
  }
  return total_ == 0 ? 0.0 : sum / static_cast<double>(total_);
}

Range Histogram::least_squares() const {
  Range best = seen_;
  double least = squared_error(best);
  for (const bool upper : {true, false, true, false}) {
    const Range start = best;
    for (int step = 1; step < 100; ++step) {
      Range range = start;
      (upper ? range.high : range.low) *= 1.0f - 0.01f * static_cast<float>(step);
      if (const double error = squared_error(range); error < least) {
        least = error;
        best = range;
      }
    }
  }
  return best;
}

}  // namespace octavo
