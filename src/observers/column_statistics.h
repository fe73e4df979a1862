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

  std::vector<float> low, high;        ///< per column, merged over batches as ranges are
  std::vector<float> half_highest[2];  ///< per column, at least 0: of every other sample, and of those between
  std::int64_t half_rows[2] = {0, 0};
  std::vector<double> sum;  ///< per column, over all rows
  std::int64_t rows = 0;
  std::pmr::vector<float>
      second_moment;               ///< [columns, columns] sums of x_i x_j, on and above the diagonal; empty unless kept
  std::vector<double> moment_sum;  ///< per column, over the rows that second_moment has
  std::int64_t moment_rows = 0;    ///< all of the first ones, then an eighth of them
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

/// The samples that rows are of: start[i] .. start[i + 1] - 1 are sample first + i's.
struct SampleRows {
  std::int64_t first = 0;
  std::span<const std::int32_t> start = {};  ///< empty: all rows are one sample's
};

/// Takes rows in the order of the samples that they are of. What it keeps does not depend on how many come at a time.
class ColumnObserver {
 public:
  explicit ColumnObserver(const StatisticsOptions& options) : options_(options) {}

  /// What is observed from now on is of these samples, of which none lies on both sides of a multiple of
  /// kRunningSamples.
  void begin(const SampleRows& samples) { samples_ = samples; }

  /// Rows of a value; `histograms`: with one of each column.
  void observe(ThreadPool& pool, std::string_view name, std::span<const float> values, int columns,
               bool histograms = false);

  /// Adds the rows that second moments still lack: they take rows by the block.
  void finish(ThreadPool& pool);

  const Statistics& statistics() const { return statistics_; }

 private:
  /// Bounds of every column of some rows; empty before the first.
  struct Bounds {
    std::vector<float> low, high;
    void add(std::span<const float> values, std::size_t columns);
  };

  /// What of a value goes on from one call to the next.
  struct Progress {
    explicit Progress(std::pmr::memory_resource* memory) : waiting(memory) {}
    std::int64_t batch = -1;          // of kRunningSamples samples
    Bounds before, inside;            // that batch, and in it so far
    std::pmr::vector<float> waiting;  // rows of a block of second moments that is not complete
    std::mt19937_64 random{0};
  };

  ColumnStatistics& make(std::string_view name, std::size_t columns, bool histograms);
  void merge_bounds(ColumnStatistics& statistics, Progress& progress, std::span<const float> values) const;
  void raise_halves(ColumnStatistics& statistics, std::span<const float> values) const;
  void add_moments(ThreadPool& pool, ColumnStatistics& statistics, Progress& progress,
                   std::span<const float> values) const;
  static void add_block(ThreadPool& pool, ColumnStatistics& statistics, std::span<const float> rows);
  void sample(ColumnStatistics& statistics, std::mt19937_64& random, std::span<const float> values) const;

  StatisticsOptions options_;
  SampleRows samples_;
  Statistics statistics_;
  std::map<std::string, Progress, std::less<>> progress_;
};

}  // namespace octavo
