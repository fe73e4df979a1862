// Matrix products in float32, by oneDNN 2 or 3: the only place that speaks to it.
#pragma once

#include "base/thread_pool.h"
#include "graph/graph.h"

#include <memory>
#include <span>

namespace octavo {

/// A linear layer with its weights in oneDNN's own order: y = activation(x W^T + b), GELU with erf.
class FloatLinear {
 public:
  /// `weight` is [columns, inputs], row-major, `bias` [columns].
  FloatLinear(int inputs, int columns, std::span<const float> weight, std::span<const float> bias,
              Activation activation);
  ~FloatLinear();
  FloatLinear(FloatLinear&&) noexcept;

  /// x is [rows, inputs], y [rows, columns], both row-major. Rows up to the next multiple of 16 must be readable in x
  /// and writable in y.
  void run(ThreadPool& pool, int rows, const float* x, float* y) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// c = a b, or c += a b, on the calling thread, for one shape and one set of strides; c row-major.
class FloatMatmul {
 public:
  struct Shape {
    int rows, columns, depth;
    int a_row_stride, a_column_stride, b_row_stride, b_column_stride,
        c_stride;  ///< in elements; one of a's and one of b's is 1
    bool accumulate = false;
  };
  explicit FloatMatmul(const Shape& shape);
  ~FloatMatmul();
  FloatMatmul(FloatMatmul&&) noexcept;

  void run(const float* a, const float* b, float* c) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Adds x_i x_j, summed over rows of x [rows, columns], to sums [columns, columns]; both row-major. On and above the
/// diagonal; what lies below is left as it is or not.
void add_second_moments(ThreadPool& pool, std::span<const float> x, int columns, std::span<float> sums);

}  // namespace octavo
