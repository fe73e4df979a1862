// How tests compare results: bit for bit, by the largest difference, by cosine; and parts of them.
#pragma once

#include "tests/support/support.h"

#include "octavo/comparison.h"
#include "octavo/tensor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

namespace octavo::test {

inline bool equal_bytes(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.data(), b.data(), a.bytes()) == 0;
}

/// One row of f32 [rows, columns], as [1, columns].
inline Tensor row_of(const Tensor& all, std::size_t row) {
  Tensor result(DType::f32, {1, all.columns()});
  const auto columns = static_cast<std::size_t>(all.columns());
  std::ranges::copy(all.as<float>().subspan(row * columns, columns), result.writable<float>().begin());
  return result;
}

/// Infinite where any of the numbers is none.
inline double largest_difference(std::span<const float> a, std::span<const float> b) {
  REQUIRE(a.size() == b.size());
  double largest = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(double{a[i]} - double{b[i]});
    largest = std::max(largest, std::isnan(difference) ? std::numeric_limits<double>::infinity() : difference);
  }
  return largest;
}

/// Mean cosine between rows of equal index.
inline double mean_row_cosine(const Tensor& a, const Tensor& b) {
  Closeness closeness;
  closeness.add(a, b);
  return closeness.mean();
}

}  // namespace octavo::test
