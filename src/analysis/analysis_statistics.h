// Figures of one value over sequences: range, and the outlier metrics of the Quantizable Transformers paper as its code
// has them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// mean((x - mean)^4) / (s^4 + 1e-6) with s the sample standard deviation (n - 1); not the excess: 3 for a Gaussian.
double kurtosis(std::span<const float> values);

/// max |x|
double inf_norm(std::span<const float> values);

/// Means over sequences of the two above, and the range over all of them.
class OutlierMeter {
 public:
  void add_sequence(std::span<const float> values);
  /// Values that count for the range alone.
  void widen(std::span<const float> values);
  double low() const { return low_; }
  double high() const { return high_; }
  double inf_norm() const { return inf_norm_ / static_cast<double>(sequences_); }
  double kurtosis() const { return kurtosis_ / static_cast<double>(sequences_); }

 private:
  std::int64_t sequences_ = 0;
  double low_ = 0.0, high_ = 0.0, inf_norm_ = 0.0, kurtosis_ = 0.0;
};

/// Signal to quantization noise and cosine of rows, over all rows added.
class ErrorMeter {
 public:
  /// Values of equal shape, rows of `columns`.
  void add(std::span<const float> exact, std::span<const float> quantized, int columns);
  double sqnr() const;  ///< dB; 200 where nothing differs
  double cosine() const { return rows_ > 0 ? cosine_ / static_cast<double>(rows_) : 1.0; }
  double lowest_cosine() const { return lowest_; }

 private:
  std::int64_t rows_ = 0;
  double signal_ = 0.0, noise_ = 0.0, cosine_ = 0.0, lowest_ = 1.0;
};

/// The q-th quantile (0..1) by nearest rank; reorders `values`. 0 when there are none.
double quantile(std::vector<float>& values, double q);

}  // namespace octavo
