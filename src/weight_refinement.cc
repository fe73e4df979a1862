#include "weight_refinement.h"

#include <Eigen/Cholesky>
#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kDamping = 0.01;  // of the mean second moment, on the diagonal

float code_of(float weight, float scale, float steps) {
  return std::clamp(std::nearbyint(weight / scale), -127.0f * steps, 127.0f * steps);
}

}  // namespace

InputModel::InputModel(ColumnStatistics statistics, const InputCodes& codes)
    : statistics_(std::move(statistics)),
      step_(std::ldexp(codes.quantizer.scale, -codes.refined.fine_bits)),
      steps_(static_cast<float>(weight_steps(codes.refined))),
      mean_(statistics_.columns()),
      rounded_mean_(statistics_.columns(), 0.0) {
  const std::size_t columns = statistics_.columns(), rows = statistics_.sample.size() / columns;
  const int zero_point = codes.quantizer.zero_point << codes.refined.fine_bits;
  for (std::size_t j = 0; j < columns; ++j) mean_[j] = statistics_.sum[j] / static_cast<double>(statistics_.rows);
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const std::size_t j = i % columns;
    const double x = static_cast<double>(statistics_.sample[i]), highest = 255.0 * (codes.copies.empty() ? 1 : codes.copies[j]);
    const double code = std::clamp(std::nearbyint(x / step_) + zero_point, 0.0, std::ldexp(highest, codes.refined.fine_bits));
    rounded_mean_[j] += ((code - zero_point) * step_ - x) / static_cast<double>(rows);
  }
  for (std::size_t j = 0; j < columns; ++j) rounded_mean_[j] += mean_[j];
}

/// Rounding of the input adds step^2 / 12 to every column's own second moment.
void InputModel::factorize() {
  const auto columns = static_cast<Eigen::Index>(statistics_.columns());
  const Eigen::Map<const RowMajor> sums(statistics_.second_moment.data(), columns, columns);
  Eigen::MatrixXd moments =
      (sums.cast<double>() / static_cast<double>(statistics_.moment_rows)).selfadjointView<Eigen::Upper>();
  order_.resize(statistics_.columns());
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](int a, int b) { return moments(a, a) < moments(b, b); });
  const double added = step_ * step_ / 12.0 + kDamping * moments.diagonal().mean() + 1e-30;
  Eigen::MatrixXd sorted(columns, columns);
  for (Eigen::Index i = 0; i < columns; ++i) {
    for (Eigen::Index j = 0; j < columns; ++j) {
      sorted(i, j) = moments(order_[static_cast<std::size_t>(i)], order_[static_cast<std::size_t>(j)]);
    }
    sorted(i, i) += added;
  }
  const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>, Eigen::Upper> cholesky(sorted);
  if (cholesky.info() != Eigen::Success) sorted.setIdentity();  // plain rounding
  factor_.resize(statistics_.second_moment.size());
  Eigen::Map<RowMajor>(factor_.data(), columns, columns) = sorted.cast<float>();
}

/// With e the errors of the weights and R the factor, the output's squared error is |R e|^2. From the last column on,
/// each weight is chosen so that its own row of R e is as near to zero as the grid allows. What the columns of earlier
/// blocks contribute is one product per block.
void InputModel::compensate(FloatRows& rows) {
  if (factor_.empty()) factorize();
  constexpr Eigen::Index kBlock = 64;
  const Eigen::Index columns = rows.inputs, count = rows.columns;
  const Eigen::Map<const RowMajor> factor(factor_.data(), columns, columns);
  Eigen::Map<RowMajor> weight(rows.weight.data(), count, columns);
  Eigen::MatrixXf error(count, columns), owed;
  for (Eigen::Index end = columns; end > 0; end -= std::min(kBlock, end)) {
    const Eigen::Index begin = std::max(Eigen::Index{0}, end - kBlock), done = columns - end;
    owed.setZero(count, end - begin);
    if (done > 0) owed.noalias() = error.rightCols(done) * factor.block(begin, end, end - begin, done).transpose();
    for (Eigen::Index k = end - 1; k >= begin; --k) {
      const Eigen::Index later = end - 1 - k, column = order_[static_cast<std::size_t>(k)];
      Eigen::VectorXf target = owed.col(k - begin);
      if (later > 0)
        target.noalias() += error.middleCols(k + 1, later) * factor.row(k).segment(k + 1, later).transpose();
      target = weight.col(column) + target / factor(k, k);
      for (Eigen::Index n = 0; n < count; ++n) {
        const float scale = rows.scales[static_cast<std::size_t>(n)] / steps_, rounded = code_of(target[n], scale, steps_) * scale;
        error(n, k) = weight(n, column) - rounded;
        weight(n, column) = rounded;
      }
    }
  }
}

void InputModel::refine(FloatRows& rows, const Refinement& refinement) {
  const std::vector<float> exact = refinement.correct_bias ? rows.weight : std::vector<float>{};
  if (refinement.compensate) compensate(rows);
  if (!refinement.correct_bias) return;
  const auto columns = static_cast<std::size_t>(rows.inputs);
  for (std::size_t n = 0; n < rows.bias.size(); ++n) {
    double lost = 0.0;
    for (std::size_t k = 0; k < columns; ++k) {
      const std::size_t index = n * columns + k;
      const float scale = rows.scales[n] / steps_;
      const double rounded = static_cast<double>(code_of(rows.weight[index], scale, steps_) * scale);
      lost += mean_[k] * static_cast<double>(exact[index]) - rounded_mean_[k] * rounded;
    }
    rows.bias[n] += static_cast<float>(lost);
  }
}

}  // namespace octavo
