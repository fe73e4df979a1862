// What calibration keeps of each column of a product's input, however many samples there are: bounds, mean, second
// moments, and a fixed number of rows.
#pragma once

#include "base/thread_pool.h"
#include "observers/histogram.h"

#include "octavo/quantization.h"

#include <cstdint>
#include <map>
#include <memory_resource>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A copy has its moments and sample in ordinary memory.
struct ColumnStatistics {
  explicit ColumnStatistics(std::pmr::memory_resource* memory = std::pmr::get_default_resource())
      : second_moment(memory), sample(memory) {}

  std::vector<float> low, high;  ///< per column, merged over batches as ranges are
  std::vector<float>
      half_highest[2];      ///< per column, at least 0: of the first and of the second half of every batch's rows
  std::vector<double> sum;  ///< per column, over all rows
  std::int64_t rows = 0;
  std::pmr::vector<float>
      second_moment;               ///< [columns, columns] sums of x_i x_j, on and above the diagonal; empty unless kept
  std::vector<double> moment_sum;  ///< per column, over the rows that second_moment has
  std::int64_t moment_rows = 0;    ///< all of the first batches, then every eighth batch
  std::vector<Histogram> histograms;  ///< per column; empty unless kept
  std::pmr::vector<float> sample;     ///< whole rows, each row seen with the same chance; empty unless kept

  std::size_t columns() const { return low.size(); }
};

/// By name of the value.
using Statistics = std::map<std::string, ColumnStatistics, std::less<>>;

/// What to keep beyond bounds and sums.
struct StatisticsOptions {
  RangeMethod method = RangeMethod::minmax;  ///< how bounds of batches are merged
  int sample_rows = 0;
  bool second_moments = false;
  std::pmr::memory_resource* memory = std::pmr::get_default_resource();  ///< of moments and samples
};

/// Takes whole batches of rows.
class ColumnObserver {
 public:
  explicit ColumnObserver(const StatisticsOptions& options) : options_(options) {}

  /// One batch of a value, row-major; `histograms`: with one of each column.
  void observe(ThreadPool& pool, std::string_view name, std::span<const float> values, int columns,
               bool histograms = false);

  const Statistics& statistics() const { return statistics_; }

 private:
  void sample(ColumnStatistics& statistics, std::mt19937_64& random, std::span<const float> values) const;

  StatisticsOptions options_;
  Statistics statistics_;
  std::map<std::string, int, std::less<>> batches_;
  std::map<std::string, std::mt19937_64, std::less<>> random_;
};

}  // namespace octavo
