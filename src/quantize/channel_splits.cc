#include "quantize/channel_splits.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

constexpr int kMostExtra = 31;  // keeps two fraction bits or more in front of the activation
constexpr double kWorthwhile = 0.9;
constexpr double kDoublings = 3.0;  // of the data seen

/// Columns that a neuron needs beyond its first when one copy covers [low, common].
double extra(double highest, double low, double common) {
  return std::max(0.0, std::ceil((highest - common) / (common - low)));
}

}  // namespace

std::vector<float> expected_highest(const ColumnStatistics& statistics) {
  double missed = 0.0, reached = 0.0;
  for (std::size_t j = 0; j < statistics.columns(); ++j) {
    const double all = static_cast<double>(std::max(statistics.half_highest[0][j], statistics.half_highest[1][j]));
    const double half =
        (static_cast<double>(statistics.half_highest[0][j]) + static_cast<double>(statistics.half_highest[1][j])) / 2.0;
    missed += all - half;
    reached += all;
  }
  const bool both = statistics.half_rows[0] > 0 && statistics.half_rows[1] > 0;
  const double margin = both && reached > 0.0 ? 1.0 + kDoublings * missed / reached : 1.0;
  std::vector<float> highest = statistics.high;
  for (float& high : highest) high = static_cast<float>(static_cast<double>(high) * margin);
  return highest;
}

ChannelSplits choose_channel_splits(std::span<const float> highest, const Range& range, int budget) {
  const ChannelSplits none{.count = {}, .common = range};
  const double low = std::min(static_cast<double>(range.low), 0.0);
  std::vector<double> tops;
  for (const float top : highest) tops.push_back(std::min(static_cast<double>(top), static_cast<double>(range.high)));
  if (budget <= 0 || tops.empty() || !(range.high > 0.0f)) return none;
  const auto fits = [&](double common) {
    double sum = 0.0;
    for (const double top : tops) {
      const double needed = extra(top, low, common);
      if (needed > kMostExtra) return false;
      sum += needed;
    }
    return sum <= budget;
  };
  double small = 0.0, common = static_cast<double>(range.high);  // small does not fit, common does
  for (int i = 0; i < 50; ++i) {
    const double middle = (small + common) / 2.0;
    (middle > 0.0 && fits(middle) ? common : small) = middle;
  }
  if (common - low > kWorthwhile * (static_cast<double>(range.high) - low)) return none;
  ChannelSplits result{.count = {}, .common = {.low = range.low, .high = static_cast<float>(common)}};
  for (const double top : tops) result.count.push_back(1 + static_cast<int>(extra(top, low, common)));
  return result;
}

}  // namespace octavo
