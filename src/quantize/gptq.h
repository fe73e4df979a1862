// Weights and biases that make up for rounding: error-compensated rounding of weights, and bias correction.
#pragma once

#include "base/fixed_point.h"
#include "base/thread_pool.h"
#include "observers/column_statistics.h"
#include "quantize/float_rows.h"
#include "quantize/quantized_weights.h"

#include <span>
#include <vector>

namespace octavo {

struct Refinement {
  bool compensate = false;    ///< needs second moments in the statistics
  bool correct_bias = false;  ///< needs a sample of rows
};

/// What rounding does to a product's input, and how its columns go together.
class GptqSolver {
 public:
  /// `statistics` of the values that the product reads (equalized, where the output is). The pool's threads work for
  /// it, and must outlive it.
  GptqSolver(ThreadPool& pool, const ColumnStatistics& statistics, const InputCodes& codes,
             const Refinement& refinement);

  /// compensate: makes the weights multiples of rows.scales (with coarse codes of an eighth), column by column, the
  /// ones with the largest inputs first; the error of each is made up for by the columns that are still to come (the
  /// closed form of OBQ and GPTQ). correct_bias: adds to the biases what the outputs lose on average because input and
  /// weights are rounded.
  void refine(FloatRows& rows) const;

  /// Second moments of the inputs, where they were observed.
  std::span<const float> importance() const { return importance_; }

 private:
  void find_means(const ColumnStatistics& statistics, const InputCodes& codes);
  void factorize(const ColumnStatistics& statistics);
  void compensate(FloatRows& rows) const;
  void compensate(FloatRows& rows, int first, int count) const;
  void correct_bias(FloatRows& rows, const std::vector<float>& exact) const;

  ThreadPool& pool_;
  Refinement refinement_;
  double step_;  // of the input
  int steps_;    // of the weights, in a scale
  std::vector<double> mean_, rounded_mean_;
  std::vector<float> importance_;
  std::vector<int> order_;     // of columns: the last one is rounded first
  std::vector<float> factor_;  // upper triangle R, R^T R = second moments in that order
};

}  // namespace octavo
