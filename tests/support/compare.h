// How tests compare results: bit for bit, by the largest difference, by cosine; and parts of them.
#pragma once

#include "tests/support/support.h"

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
  const auto columns = static_cast<std::size_t>(a.columns());
  const auto x = a.as<float>(), y = b.as<float>();
  double sum = 0.0;
  for (std::size_t first = 0; first < x.size(); first += columns) {
    double xy = 0.0, xx = 0.0, yy = 0.0;
    for (std::size_t j = first; j < first + columns; ++j) {
      xy += double{x[j]} * double{y[j]};
      xx += double{x[j]} * double{x[j]};
      yy += double{y[j]} * double{y[j]};
    }
    sum += xy / std::sqrt(xx * yy);
  }
  return sum / static_cast<double>(a.rows());
}

}  // namespace octavo::test
