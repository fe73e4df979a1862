// Statistics of columns: what is kept of rows does not depend on how many of them come at a time.
#include "observers/column_statistics.h"

#include "tests/support/support.h"

#include <algorithm>
#include <random>
#include <vector>

namespace octavo::test {
namespace {

constexpr int kColumns = 24, kSamples = 70;

/// Rows of samples of 1 to 60 rows each: enough for whole blocks of second moments and a rest.
struct Rows {
  std::vector<float> values;
  std::vector<std::int32_t> start{0};

  Rows() {
    std::mt19937 random(5);
    std::normal_distribution<float> normal;
    for (int i = 0; i < kSamples; ++i) start.push_back(start.back() + 1 + static_cast<int>(random() % 60));
    for (int i = 0; i < start.back() * kColumns; ++i) values.push_back(normal(random));
  }
};

/// What is kept when `at_once` samples come at a time, or fewer where the next multiple of 32 is nearer.
ColumnStatistics observed(const Rows& rows, RangeMethod method, int at_once) {
  ThreadPool pool(2);
  ColumnObserver observer({.method = method, .sample_rows = 100, .second_moments = true});
  for (int first = 0; first < kSamples;) {
    const int count = std::min({at_once, kSamples - first, 32 - first % 32});
    std::vector<std::int32_t> start;
    for (int i = 0; i <= count; ++i) {
      start.push_back(rows.start[static_cast<std::size_t>(first + i)] - rows.start[static_cast<std::size_t>(first)]);
    }
    observer.begin({.first = first, .start = start});
    const auto begin = static_cast<std::size_t>(rows.start[static_cast<std::size_t>(first)]) * kColumns;
    observer.observe(pool, "x",
                     std::span(rows.values).subspan(begin, static_cast<std::size_t>(start.back()) * kColumns), kColumns,
                     true);
    first += count;
  }
  observer.finish(pool);
  return observer.statistics().at("x");
}

bool same(std::span<const float> a, std::span<const float> b) { return std::ranges::equal(a, b); }

}  // namespace

TEST_CASE("statistics of columns have the same bits whether samples come one by one or many at a time") {
  const Rows rows;
  for (const RangeMethod method : {RangeMethod::minmax, RangeMethod::running_minmax}) {
    const ColumnStatistics one = observed(rows, method, 1);
    REQUIRE(one.rows == rows.start.back());
    REQUIRE(one.rows > 1024);
    CHECK(one.moment_rows == one.rows);
    for (const int at_once : {3, 16, 32}) {
      INFO(at_once << " samples at a time");
      const ColumnStatistics many = observed(rows, method, at_once);
      CHECK(same(one.low, many.low));
      CHECK(same(one.high, many.high));
      CHECK(same(one.half_highest[0], many.half_highest[0]));
      CHECK(same(one.half_highest[1], many.half_highest[1]));
      CHECK(one.sum == many.sum);
      CHECK(one.moment_sum == many.moment_sum);
      CHECK(same(one.second_moment, many.second_moment));
      CHECK(same(one.sample, many.sample));
      CHECK(one.histograms[3].percentile(90).high == many.histograms[3].percentile(90).high);
    }
  }
}

TEST_CASE("second moments are sums of products over the rows, on and above the diagonal") {
  const Rows rows;
  const ColumnStatistics found = observed(rows, RangeMethod::minmax, 5);
  for (std::size_t i = 0; i < kColumns; ++i) {
    for (std::size_t j = i; j < kColumns; ++j) {
      double sum = 0.0;
      for (std::size_t row = 0; row < rows.values.size(); row += kColumns)
        sum += static_cast<double>(rows.values[row + i]) * static_cast<double>(rows.values[row + j]);
      CHECK(found.second_moment[i * kColumns + j] == Approx(sum).margin(0.01));
    }
  }
}

}  // namespace octavo::test
