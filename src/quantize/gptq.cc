#include "quantize/gptq.h"

#include "quantize/cholesky.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr int kRowsAtATime = 128;  // of a product, in one task
constexpr double kDamping = 0.01;  // of the mean second moment, on the diagonal

}  // namespace

GptqSolver::GptqSolver(ThreadPool& pool, const ColumnStatistics& statistics, const InputCodes& codes,
                       const Refinement& refinement)
    : pool_(pool),
      refinement_(refinement),
      step_(std::ldexp(codes.quantizer.scale, -codes.refined.fine_bits)),
      steps_(weight_steps(codes.refined)) {
  if (refinement.correct_bias) find_means(statistics, codes);
  if (refinement.compensate) factorize(statistics);
}

void GptqSolver::find_means(const ColumnStatistics& statistics, const InputCodes& codes) {
  const std::size_t columns = statistics.columns(), rows = statistics.sample.size() / columns;
  const int zero_point = codes.quantizer.zero_point << codes.refined.fine_bits;
  rounded_mean_.assign(columns, 0.0);
  for (std::size_t j = 0; j < columns; ++j) mean_.push_back(statistics.sum[j] / static_cast<double>(statistics.rows));
  for (std::size_t i = 0; i < rows * columns; ++i) {
    const std::size_t j = i % columns;
    const double x = static_cast<double>(statistics.sample[i]),
                 highest = 255.0 * (codes.channel_splits.empty() ? 1 : codes.channel_splits[j]);
    const double code =
        std::clamp(std::nearbyint(x / step_) + zero_point, 0.0, std::ldexp(highest, codes.refined.fine_bits));
    rounded_mean_[j] += ((code - zero_point) * step_ - x) / static_cast<double>(rows);
  }
  for (std::size_t j = 0; j < columns; ++j) rounded_mean_[j] += mean_[j];
}

/// Rounding of the input adds step^2 / 12 to every column's own second moment.
void GptqSolver::factorize(const ColumnStatistics& statistics) {
  const auto columns = static_cast<Eigen::Index>(statistics.columns());
  const Eigen::Map<const RowMajor> sums(statistics.second_moment.data(), columns, columns);
  const auto rows = static_cast<double>(statistics.moment_rows);
  const auto moment = [&](int a, int b) { return static_cast<double>(sums(std::min(a, b), std::max(a, b))) / rows; };
  order_.resize(statistics.columns());
  std::iota(order_.begin(), order_.end(), 0);
  std::sort(order_.begin(), order_.end(), [&](int a, int b) { return moment(a, a) < moment(b, b); });
  double diagonal = 0.0;
  for (int i = 0; i < columns; ++i) {
    importance_.push_back(static_cast<float>(moment(i, i)));
    diagonal += moment(i, i);
  }
  const double added = step_ * step_ / 12.0 + kDamping * (diagonal / static_cast<double>(columns)) + 1e-30;
  Eigen::MatrixXd sorted(columns,
                         columns);  // the largest thing that quantizing holds: the triangle below is never read
  pool_.run(static_cast<int>(columns), [&](int j, int) {
    const int column = order_[static_cast<std::size_t>(j)];
    for (Eigen::Index i = 0; i <= j; ++i) sorted(i, j) = moment(order_[static_cast<std::size_t>(i)], column);
    sorted(j, j) += added;
  });
  factor_.resize(statistics.second_moment.size());
  if (!cholesky(pool_, {sorted.data(), factor_.size()}, static_cast<int>(columns)))
    sorted.setIdentity();  // plain rounding
  Eigen::Map<RowMajor>(factor_.data(), columns, columns).triangularView<Eigen::Upper>() = sorted.cast<float>();
}

void GptqSolver::compensate(FloatRows& rows) const {
  pool_.run((rows.columns + kRowsAtATime - 1) / kRowsAtATime, [&](int index, int) {
    const int first = index * kRowsAtATime;
    compensate(rows, first, std::min(kRowsAtATime, rows.columns - first));
  });
}

/// With e the errors of the weights and R the factor, the output's squared error is |R e|^2. From the last column on,
/// each weight is chosen so that its own row of R e is as near to zero as the grid allows. What the columns of earlier
/// blocks contribute is one product per block.
void GptqSolver::compensate(FloatRows& rows, int first, int count) const {
  constexpr Eigen::Index kBlock = 64;
  const Eigen::Index columns = rows.inputs;
  const Eigen::Map<const RowMajor> factor(factor_.data(), columns, columns);
  Eigen::Map<RowMajor> weight(rows.weight.data() + first * columns, count, columns);
  const float* scales = rows.scales.data() + first;
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
      for (int n = 0; n < count; ++n) {
        const float scale = scales[n] / static_cast<float>(steps_),
                    rounded = rounded_code(rows, first + n, static_cast<int>(column), target[n], scale, steps_) * scale;
        error(n, k) = weight(n, column) - rounded;
        weight(n, column) = rounded;
      }
    }
  }
}

void GptqSolver::refine(FloatRows& rows) const {
  const std::vector<float> exact = refinement_.correct_bias ? rows.weight : std::vector<float>{};
  if (refinement_.compensate) compensate(rows);
  if (refinement_.correct_bias) correct_bias(rows, exact);
}

void GptqSolver::correct_bias(FloatRows& rows, const std::vector<float>& exact) const {
  const auto columns = static_cast<std::size_t>(rows.inputs);
  for (std::size_t n = 0; n < rows.bias.size(); ++n) {
    double lost = 0.0;
    for (std::size_t k = 0; k < columns; ++k) {
      const std::size_t index = n * columns + k;
      const float scale = rows.scales[n] / static_cast<float>(steps_);
      const double rounded = static_cast<double>(
          rounded_code(rows, static_cast<int>(n), static_cast<int>(k), rows.weight[index], scale, steps_) * scale);
      lost += mean_[k] * static_cast<double>(exact[index]) - rounded_mean_[k] * rounded;
    }
    rows.bias[n] += static_cast<float>(lost);
  }
}

}  // namespace octavo
