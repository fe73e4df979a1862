// Histograms that values stream into, and the ranges that they give.
#include "observers/histogram.h"

#include "base/fixed_point.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace octavo::test {
namespace {

std::vector<float> laplace(std::size_t count) {
  std::mt19937 random(5);
  std::exponential_distribution<float> magnitude(2.0f);
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) values.push_back(magnitude(random) * (random() % 2 ? 1.0f : -1.0f));
  return values;
}

double squared_error(const std::vector<float>& values, const Range& range) {
  const Quantizer q = asymmetric_u8(range.low, range.high);
  double sum = 0.0;
  for (const float x : values) {
    const double code = std::clamp(std::nearbyint(static_cast<double>(x) / q.scale) + q.zero_point, 0.0, 255.0);
    sum += std::pow((code - q.zero_point) * q.scale - static_cast<double>(x), 2);
  }
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("percentiles are those of the sorted values to within a bin, however the values arrive") {
  std::vector<float> values = laplace(50000);
  for (const std::size_t part : {std::size_t{1}, std::size_t{777}, values.size()}) {
    Histogram histogram;
    for (std::size_t first = 0; first < values.size(); first += part) {
      histogram.add(std::span(values).subspan(first, std::min(part, values.size() - first)));
    }
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    for (const double percent : {99.0, 99.9, 99.99, 99.999}) {
      const auto tail = static_cast<std::size_t>(static_cast<double>(values.size()) * (100.0 - percent) / 100.0 + 1e-6);
      const Range range = histogram.percentile(percent);
      INFO("percentile " << percent << " in parts of " << part);
      CHECK(std::abs(range.low - sorted[tail]) <= histogram.bin_width() * 1.001);
      CHECK(std::abs(range.high - sorted[values.size() - 1 - tail]) <= histogram.bin_width() * 1.001);
    }
  }
}

TEST_CASE("the range of least squares is within 2 % of a search over the values themselves") {
  const std::vector<float> values = laplace(20000);
  Histogram histogram;
  histogram.add(values);
  double least = std::numeric_limits<double>::infinity();
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  for (float l = 0.2f; l <= 1.0f; l += 0.02f) {
    for (float h = 0.2f; h <= 1.0f; h += 0.02f) least = std::min(least, squared_error(values, {*low * l, *high * h}));
  }
  CHECK(squared_error(values, histogram.least_squares()) < 1.02 * least);
  CHECK(squared_error(values, histogram.least_squares()) < squared_error(values, {*low, *high}));
}

TEST_CASE("a histogram of histograms has the values shifted and scaled, and what is not finite is left out") {
  const std::vector<float> values = laplace(5000);
  Histogram plain, moved;
  plain.add(values);
  plain.add(std::vector<float>{std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()});
  CHECK(plain.total() == 5000);
  moved.add_transformed(plain, 0.5f, 2.0f);
  CHECK(moved.total() == 5000);
  const Range before = plain.percentile(99.0), after = moved.percentile(99.0);
  CHECK(after.low == Approx((before.low - 0.5f) / 2.0f).margin(2.0 * plain.bin_width()));
  CHECK(after.high == Approx((before.high - 0.5f) / 2.0f).margin(2.0 * plain.bin_width()));
}

TEST_CASE("values that are all alike, or zero, have a range that holds them") {
  for (const float value : {0.0f, 3.0f, -1e30f, 1e-30f}) {
    Histogram histogram;
    histogram.add(std::vector<float>(10, value));
    CHECK(histogram.percentile(99.99).low <= value);
    CHECK(histogram.percentile(99.99).high >= value);
    CHECK(histogram.least_squares().high == value);
  }
}

}  // namespace octavo::test
