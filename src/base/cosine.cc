#include "base/cosine.h"

#include <algorithm>
#include <cmath>

namespace octavo {

double cosine(std::span<const float> a, std::span<const float> b) {
  double dot = 0, square_a = 0, square_b = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += static_cast<double>(a[i]) * static_cast<double>(b[i]);
    square_a += static_cast<double>(a[i]) * static_cast<double>(a[i]);
    square_b += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  if (square_a == 0 || square_b == 0) return square_a == square_b ? 1.0 : 0.0;
  return std::clamp(dot / (std::sqrt(square_a) * std::sqrt(square_b)), -1.0, 1.0);
}

}  // namespace octavo
