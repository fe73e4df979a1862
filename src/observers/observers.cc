#include "observers/observers.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace octavo {
namespace {

constexpr float kMomentum = 0.9f;  // Quantizable Transformers, appendix C.4: running min-max

/// Range of the elements. Lanes are kept apart so that compilers use vectors without reordering float operations.
Range range_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float low[kLanes], high[kLanes], not_finite[kLanes] = {};
  std::fill_n(low, kLanes, kInfinity);
  std::fill_n(high, kLanes, -kInfinity);
  const auto take = [&](float x, std::size_t lane) {
    low[lane] = x < low[lane] ? x : low[lane];
    high[lane] = x > high[lane] ? x : high[lane];
    not_finite[lane] += x - x;  // NaN for NaN and infinities, else 0
  };
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) take(values[i + lane], lane);
  }
  for (std::size_t i = whole; i < values.size(); ++i) take(values[i], i - whole);
  for (const float bad : not_finite) {
    if (bad != 0.0f) return {.low = bad, .high = bad};
  }
  return {.low = *std::min_element(low, low + kLanes), .high = *std::max_element(high, high + kLanes)};
}

/// NaN on either side stays.
Range united(const Range& a, const Range& b) {
  return {.low = !(a.low <= b.low) && a.low == a.low ? b.low : a.low,
          .high = !(a.high >= b.high) && a.high == a.high ? b.high : a.high};
}

float moved(float running, float batch) { return kMomentum * running + (1.0f - kMomentum) * batch; }

void merge(Ranges& ranges, std::string_view name, const Range& range, Range (*combine)(const Range&, const Range&)) {
  const auto found = ranges.find(name);
  if (found == ranges.end()) {
    ranges.emplace(name, range);
  } else {
    found->second = combine(found->second, range);
  }
}

}  // namespace

void RangeObserver::begin_batch() {
  before_ = ranges_;
  batch_.clear();
}

Range RangeObserver::observe(std::string_view name, std::span<const float> values) {
  if (values.empty()) return {};
  const Range range = range_of(values);
  merge(batch_, name, range, united);
  return range;
}

void RangeObserver::end_part() {
  const auto running = [](const Range& old, const Range& batch) {
    return Range{.low = moved(old.low, batch.low), .high = moved(old.high, batch.high)};
  };
  for (const auto& [name, range] : batch_) {
    const auto before = before_.find(name);
    const bool first = before == before_.end();
    ranges_[name] = first                                    ? range
                    : method_ == RangeMethod::running_minmax ? running(before->second, range)
                                                             : united(before->second, range);
    if (method_ == RangeMethod::running_minmax) merge(extremes_, name, range, united);
  }
}

double mean_excess(const Ranges& observed, const Ranges& others) {
  double sum = 0.0;
  int count = 0;
  for (const auto& [name, other] : others) {
    const auto found = observed.find(name);
    if (found == observed.end() || !std::isfinite(other.low) || !std::isfinite(other.high)) continue;
    const double low = found->second.low, high = found->second.high;
    const double beyond = std::max({low - double{other.low}, double{other.high} - high, 0.0});
    sum += beyond < high - low ? beyond / (high - low) : beyond > 0.0 ? 1.0 : 0.0;
    ++count;
  }
  return count == 0 ? 0.0 : sum / count;
}

}  // namespace octavo
