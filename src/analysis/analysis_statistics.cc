#include "analysis/analysis_statistics.h"

#include "base/cosine.h"

#include <algorithm>
#include <cmath>

namespace octavo {

double kurtosis(std::span<const float> values) {
  if (values.size() < 2) return 0.0;
  const auto count = static_cast<double>(values.size());
  double mean = 0.0, second = 0.0, fourth = 0.0;
  for (const float x : values) mean += double{x};
  mean /= count;
  for (const float x : values) {
    const double square = (double{x} - mean) * (double{x} - mean);
    second += square;
    fourth += square * square;
  }
  const double variance = second / (count - 1.0);
  return fourth / count / (variance * variance + 1e-6);
}

double inf_norm(std::span<const float> values) {
  double largest = 0.0;
  for (const float x : values) largest = std::max(largest, std::abs(double{x}));
  return largest;
}

void OutlierMeter::add_sequence(std::span<const float> values) {
  if (values.empty()) return;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  low_ = sequences_ == 0 ? double{*low} : std::min(low_, double{*low});
  high_ = sequences_ == 0 ? double{*high} : std::max(high_, double{*high});
  inf_norm_ += octavo::inf_norm(values);
  kurtosis_ += octavo::kurtosis(values);
  ++sequences_;
}

void OutlierMeter::widen(std::span<const float> values) {
  for (const float x : values) {
    low_ = std::min(low_, double{x});
    high_ = std::max(high_, double{x});
  }
}

void ErrorMeter::add(std::span<const float> exact, std::span<const float> quantized, int columns) {
  const auto width = static_cast<std::size_t>(columns);
  for (std::size_t first = 0; first < exact.size(); first += width) {
    const auto x = exact.subspan(first, width), y = quantized.subspan(first, width);
    for (std::size_t i = 0; i < width; ++i) {
      signal_ += double{x[i]} * double{x[i]};
      noise_ += (double{x[i]} - double{y[i]}) * (double{x[i]} - double{y[i]});
    }
    const double value = octavo::cosine(x, y);
    cosine_ += value;
    lowest_ = std::min(lowest_, value);
    ++rows_;
  }
}

double ErrorMeter::sqnr() const {
  if (!(noise_ > 0.0)) return 200.0;
  return std::clamp(10.0 * std::log10(signal_ / noise_), -200.0, 200.0);
}

double quantile(std::vector<float>& values, double q) {
  if (values.empty()) return 0.0;
  const auto index = static_cast<std::ptrdiff_t>(std::lround(q * static_cast<double>(values.size() - 1)));
  std::nth_element(values.begin(), values.begin() + index, values.end());
  return static_cast<double>(values[static_cast<std::size_t>(index)]);
}

}  // namespace octavo
