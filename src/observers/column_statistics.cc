#include "observers/column_statistics.h"

#include "float/float_matmul.h"

#include <Eigen/Core>

#include <algorithm>

namespace octavo {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr float kMomentum = 0.9f;  // of running min-max, as in observers.cc

// Second moments cost columns^2 per row and need no more rows than a few times the columns.
constexpr std::int64_t kDenseRows = 8192;
constexpr int kThinning = 8;

constexpr int kColumnBins = 1024;

float moved(float running, float batch) { return kMomentum * running + (1.0f - kMomentum) * batch; }

/// Bounds of every column of one batch. What is not finite is left to the range of the whole value, which quantize()
/// refuses.
struct Bounds {
  std::vector<float> low, high;

  explicit Bounds(const Eigen::Map<const RowMajor>& batch) : low(batch.data(), batch.data() + batch.cols()), high(low) {
    const std::size_t columns = low.size();
    for (Eigen::Index i = 1; i < batch.rows(); ++i) {
      const float* row = batch.data() + i * batch.cols();
      for (std::size_t j = 0; j < columns; ++j) {
        low[j] = row[j] < low[j] ? row[j] : low[j];
        high[j] = row[j] > high[j] ? row[j] : high[j];
      }
    }
  }
};

/// Largest value of every column of some rows, merged into what was found before.
void raise(std::vector<float>& high, std::span<const float> rows) {
  const std::size_t columns = high.size();
  for (std::size_t first = 0; first < rows.size(); first += columns) {
    for (std::size_t j = 0; j < columns; ++j) high[j] = std::max(high[j], rows[first + j]);
  }
}

void merge(ColumnStatistics& statistics, const Bounds& batch, RangeMethod method) {
  for (std::size_t j = 0; j < statistics.columns(); ++j) {
    float &low = statistics.low[j], &high = statistics.high[j];
    if (statistics.rows == 0) {
      low = batch.low[j];
      high = batch.high[j];
    } else if (method == RangeMethod::running_minmax) {
      low = moved(low, batch.low[j]);
      high = moved(high, batch.high[j]);
    } else {
      low = std::min(low, batch.low[j]);
      high = std::max(high, batch.high[j]);
    }
  }
}

}  // namespace

void ColumnObserver::observe(ThreadPool& pool, std::string_view name, std::span<const float> values, int columns,
                             bool histograms) {
  if (values.empty()) return;
  const auto width = static_cast<std::size_t>(columns);
  auto found = statistics_.find(name);
  if (found == statistics_.end()) {
    found = statistics_.emplace(name, ColumnStatistics(options_.memory)).first;
    found->second.low.resize(width);
    found->second.high.resize(width);
    for (std::vector<float>& high : found->second.half_highest) high.resize(width);
    found->second.sum.resize(width);
    if (options_.second_moments) found->second.second_moment.resize(width * width);
    found->second.moment_sum.resize(width);
    found->second.sample.reserve(width * static_cast<std::size_t>(options_.sample_rows));
    if (histograms) found->second.histograms.assign(width, Histogram(kColumnBins));
    batches_.emplace(name, 0);
    random_.emplace(name, std::mt19937_64(0));
  }
  ColumnStatistics& statistics = found->second;
  const Eigen::Map<const RowMajor> batch(values.data(), static_cast<Eigen::Index>(values.size() / width), columns);
  merge(statistics, Bounds(batch), options_.method);
  const std::size_t half = static_cast<std::size_t>(batch.rows()) / 2 * width;
  raise(statistics.half_highest[0], values.first(half));
  raise(statistics.half_highest[1], values.subspan(half));
  const Eigen::RowVectorXd sums = batch.cast<double>().colwise().sum();
  Eigen::Map<Eigen::RowVectorXd>(statistics.sum.data(), columns) += sums;
  if (options_.second_moments &&
      (statistics.moment_rows < kDenseRows || batches_.find(name)->second % kThinning == 0)) {
    add_second_moments(pool, values, columns, statistics.second_moment);
    Eigen::Map<Eigen::RowVectorXd>(statistics.moment_sum.data(), columns) += sums;
    statistics.moment_rows += batch.rows();
  }
  ++batches_.find(name)->second;
  for (std::size_t i = 0; histograms && i < values.size(); ++i) statistics.histograms[i % width].add({&values[i], 1});
  if (options_.sample_rows > 0) sample(statistics, random_.find(name)->second, values);
  statistics.rows += batch.rows();
}

/// Reservoir sampling. Every value sees the same numbers of rows, hence keeps the same rows.
void ColumnObserver::sample(ColumnStatistics& statistics, std::mt19937_64& random,
                            std::span<const float> values) const {
  const std::size_t width = statistics.columns(), capacity = static_cast<std::size_t>(options_.sample_rows);
  for (std::size_t row = 0; row * width < values.size(); ++row) {
    const std::size_t seen = static_cast<std::size_t>(statistics.rows) + row;
    const std::span<const float> from = values.subspan(row * width, width);
    if (seen < capacity) {
      statistics.sample.insert(statistics.sample.end(), from.begin(), from.end());
    } else if (const std::size_t slot = random() % (seen + 1); slot < capacity) {
      std::copy(from.begin(), from.end(), statistics.sample.begin() + static_cast<std::ptrdiff_t>(slot * width));
    }
  }
}

}  // namespace octavo
