// Cosines in double precision.
#include "report/closeness.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo::tools {

double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, square_a = 0, square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    square_a += static_cast<double>(a[i]) * a[i];
    square_b += static_cast<double>(b[i]) * b[i];
  }
  if (square_a == 0 || square_b == 0) return square_a == square_b ? 1.0 : 0.0;
  return std::clamp(dot / (std::sqrt(square_a) * std::sqrt(square_b)), -1.0, 1.0);
}

void Closeness::add(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) throw Error("Two sets of vectors to compare differ in shape.");
  const std::span<const float> values_a = a.as<float>(), values_b = b.as<float>();
  const auto columns = static_cast<std::size_t>(a.columns());
  for (std::size_t at = 0; at < values_a.size(); at += columns) {
    const double value = cosine(values_a.subspan(at, columns), values_b.subspan(at, columns));
    lowest_ = count_ == 0 ? value : std::min(lowest_, value);
    sum_ += value;
    ++count_;
  }
}

}  // namespace octavo::tools
