// How close two sets of vectors are, pair by pair.
#pragma once

#include "octavo/tensor.h"

#include <cstdint>

namespace octavo::tools {

/// Mean and lowest cosine over the rows of pairs of matrices.
class Closeness {
 public:
  /// Adds row i of `a` against row i of `b`: f32, of the same shape.
  void add(const Tensor& a, const Tensor& b);

  std::int64_t count() const { return count_; }
  double mean() const { return count_ == 0 ? 1.0 : sum_ / static_cast<double>(count_); }
  double lowest() const { return lowest_; }

 private:
  std::int64_t count_ = 0;
  double sum_ = 0;
  double lowest_ = 1;
};

}  // namespace octavo::tools
