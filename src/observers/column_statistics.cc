#include "observers/column_statistics.h"

#include "float/float_matmul.h"

#include <algorithm>

namespace octavo {
namespace {

constexpr float kMomentum = 0.9f;  // of running min-max, as in observers.cc

// Second moments cost columns^2 per row and need no more rows than a few times the columns. They take blocks of rows
// that the rows' numbers alone decide on, so that their sums have the same bits in whatever pieces the rows come.
constexpr std::int64_t kBlockRows = 256;
constexpr std::int64_t kDenseBlocks = 32;
constexpr std::int64_t kThinning = 8;

constexpr int kColumnBins = 1024;

float moved(float running, float batch) { return kMomentum * running + (1.0f - kMomentum) * batch; }

/// Largest value of every column of some rows, merged into what was found before.
void raise(std::vector<float>& high, std::span<const float> rows) {
  const std::size_t columns = high.size();
  for (std::size_t first = 0; first < rows.size(); first += columns) {
    for (std::size_t j = 0; j < columns; ++j) high[j] = std::max(high[j], rows[first + j]);
  }
}

/// Row after row, so that a sum does not depend on where the rows are cut.
void add_rows(std::vector<double>& sums, std::span<const float> rows) {
  const std::size_t columns = sums.size();
  for (std::size_t first = 0; first < rows.size(); first += columns) {
    for (std::size_t j = 0; j < columns; ++j) sums[j] += static_cast<double>(rows[first + j]);
  }
}

}  // namespace

/// What is not finite is left to the range of the whole value.
void ColumnObserver::Bounds::add(std::span<const float> values, std::size_t columns) {
  if (low.empty()) {
    low.assign(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(columns));
    high = low;
  }
  for (std::size_t first = 0; first < values.size(); first += columns) {
    const float* row = values.data() + first;
    for (std::size_t j = 0; j < columns; ++j) {
      low[j] = row[j] < low[j] ? row[j] : low[j];
      high[j] = row[j] > high[j] ? row[j] : high[j];
    }
  }
}

ColumnStatistics& ColumnObserver::make(std::string_view name, std::size_t columns, bool histograms) {
  ColumnStatistics& made = statistics_.emplace(name, ColumnStatistics(options_.memory)).first->second;
  made.low.resize(columns);
  made.high.resize(columns);
  for (std::vector<float>& high : made.half_highest) high.resize(columns);
  made.sum.resize(columns);
  if (options_.second_moments) made.second_moment.resize(columns * columns);
  made.moment_sum.resize(columns);
  made.sample.reserve(columns * static_cast<std::size_t>(options_.sample_rows));
  if (histograms) made.histograms.assign(columns, Histogram(kColumnBins));
  Progress& progress = progress_.emplace(name, Progress(options_.memory)).first->second;
  if (options_.second_moments) progress.waiting.reserve(columns * static_cast<std::size_t>(kBlockRows));
  return made;
}

void ColumnObserver::observe(ThreadPool& pool, std::string_view name, std::span<const float> values, int columns,
                             bool histograms) {
  if (values.empty()) return;
  const auto width = static_cast<std::size_t>(columns);
  const auto found = statistics_.find(name);
  ColumnStatistics& statistics = found == statistics_.end() ? make(name, width, histograms) : found->second;
  Progress& progress = progress_.find(name)->second;
  merge_bounds(statistics, progress, values);
  raise_halves(statistics, values);
  add_rows(statistics.sum, values);
  if (options_.second_moments) add_moments(pool, statistics, progress, values);
  for (std::size_t i = 0; histograms && i < values.size(); ++i) statistics.histograms[i % width].add({&values[i], 1});
  if (options_.sample_rows > 0) sample(statistics, progress.random, values);
  statistics.rows += static_cast<std::int64_t>(values.size() / width);
}

void ColumnObserver::merge_bounds(ColumnStatistics& statistics, Progress& progress,
                                  std::span<const float> values) const {
  if (const std::int64_t batch = samples_.first / kRunningSamples; batch != progress.batch) {
    progress.before = statistics.rows == 0 ? Bounds{} : Bounds{.low = statistics.low, .high = statistics.high};
    progress.inside = {};
    progress.batch = batch;
  }
  const Bounds &before = progress.before, &inside = progress.inside;
  progress.inside.add(values, statistics.columns());
  for (std::size_t j = 0; j < statistics.columns(); ++j) {
    float &low = statistics.low[j], &high = statistics.high[j];
    if (before.low.empty()) {
      low = inside.low[j];
      high = inside.high[j];
    } else if (options_.method == RangeMethod::running_minmax) {
      low = moved(before.low[j], inside.low[j]);
      high = moved(before.high[j], inside.high[j]);
    } else {
      low = std::min(before.low[j], inside.low[j]);
      high = std::max(before.high[j], inside.high[j]);
    }
  }
}

void ColumnObserver::raise_halves(ColumnStatistics& statistics, std::span<const float> values) const {
  const std::size_t columns = statistics.columns();
  const std::int32_t whole[] = {0, static_cast<std::int32_t>(values.size() / columns)};
  const std::span<const std::int32_t> start = samples_.start.empty() ? whole : samples_.start;
  // Where values have fewer rows than there are tokens, each sample has lost as many.
  const std::size_t samples = start.size() - 1,
                    lost = (static_cast<std::size_t>(start.back()) - values.size() / columns) / samples;
  for (std::size_t i = 0; i < samples; ++i) {
    const std::size_t half = (static_cast<std::size_t>(samples_.first) + i) % 2;
    const std::size_t first = static_cast<std::size_t>(start[i]) - i * lost,
                      rows = static_cast<std::size_t>(start[i + 1] - start[i]) - lost;
    raise(statistics.half_highest[half], values.subspan(first * columns, rows * columns));
    statistics.half_rows[half] += static_cast<std::int64_t>(rows);
  }
}

void ColumnObserver::add_moments(ThreadPool& pool, ColumnStatistics& statistics, Progress& progress,
                                 std::span<const float> values) const {
  const std::size_t columns = statistics.columns();
  for (std::int64_t row = statistics.rows; !values.empty();) {
    const std::int64_t block = row / kBlockRows,
                       rows = std::min((block + 1) * kBlockRows - row, std::ssize(values) / std::ssize(statistics.low));
    const std::span<const float> own = values.first(static_cast<std::size_t>(rows) * columns);
    values = values.subspan(own.size());
    row += rows;
    if (block >= kDenseBlocks && block % kThinning != 0) continue;
    if (rows == kBlockRows) {
      add_block(pool, statistics, own);
      continue;
    }
    progress.waiting.insert(progress.waiting.end(), own.begin(), own.end());
    if (row % kBlockRows != 0) continue;
    add_block(pool, statistics, progress.waiting);
    progress.waiting.clear();
  }
}

void ColumnObserver::add_block(ThreadPool& pool, ColumnStatistics& statistics, std::span<const float> rows) {
  add_second_moments(pool, rows, static_cast<int>(statistics.columns()), statistics.second_moment);
  add_rows(statistics.moment_sum, rows);
  statistics.moment_rows += std::ssize(rows) / std::ssize(statistics.low);
}

void ColumnObserver::finish(ThreadPool& pool) {
  for (auto& [name, progress] : progress_) {
    if (progress.waiting.empty()) continue;
    add_block(pool, statistics_.find(name)->second, progress.waiting);
    progress.waiting.clear();
  }
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
