// Equalization: it changes nothing in float, and makes a site with outlier columns easier to round.
#include "quantize/equalize.h"

#include "quantize/quantized_weights.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace octavo::test {
namespace {

ThreadPool pool(2);

constexpr int kColumns = 48, kRows = 512;
constexpr EqualizeMethod kMethods[] = {EqualizeMethod::smoothquant, EqualizeMethod::os_plus, EqualizeMethod::repq,
                                       EqualizeMethod::power_of_two};

/// Inputs of which three columns are a hundred times larger and off centre, and two products that read them, one of
/// them a gate that reads a slice only. Weights of the large columns are as much smaller.
struct Site {
  std::vector<float> values;
  std::vector<FloatRows> readers;
  ColumnObserver observer{{.sample_rows = kRows}};

  Site() {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    const auto factor = [](int column) { return column == 5 || column == 17 || column == 40 ? 100.0f : 1.0f; };
    for (int i = 0; i < kRows * kColumns; ++i) values.push_back((normal(random) + 0.5f) * factor(i % kColumns));
    for (const int columns : {96, 3}) {
      FloatRows rows{.name = "rows", .columns = columns, .inputs = kColumns, .weight = {}, .bias = {}};
      for (int n = 0; n < columns; ++n) {
        rows.bias.push_back(normal(random));
        for (int k = 0; k < kColumns; ++k) {
          const bool reads = columns == 96 || k / 16 == n;
          rows.weight.push_back(reads ? 0.2f * normal(random) / factor(k) : 0.0f);
        }
      }
      readers.push_back(std::move(rows));
    }
    observer.observe(pool, "x", values, kColumns);
  }

  const ColumnStatistics& statistics() const { return observer.statistics().at("x"); }
  EqualizedSite solve(EqualizeMethod method) const { return equalize(pool, method, {statistics(), readers}); }
};

std::vector<float> equalized(const std::vector<float>& values, const Equalization& e) {
  std::vector<float> result = values;
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = (result[i] - e.shift[i % kColumns]) / e.scale[i % kColumns];
  }
  return result;
}

std::vector<double> outputs(const std::vector<float>& x, const FloatRows& rows) {
  std::vector<double> result;
  for (std::size_t i = 0; i < kRows; ++i) {
    for (std::size_t n = 0; n < rows.bias.size(); ++n) {
      double sum = static_cast<double>(rows.bias[n]);
      for (std::size_t k = 0; k < kColumns; ++k) {
        sum += static_cast<double>(x[i * kColumns + k]) * static_cast<double>(rows.weight[n * kColumns + k]);
      }
      result.push_back(sum);
    }
  }
  return result;
}

double signal_to_noise(const std::vector<double>& exact, const std::vector<double>& found) {
  double signal = 0.0, noise = 0.0;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    signal += exact[i] * exact[i];
    noise += (exact[i] - found[i]) * (exact[i] - found[i]);
  }
  return 10.0 * std::log10(signal / noise);
}

/// Decibels of a product when its input has 8 bits over `range` and its weights 8 bits per row.
double rounded_quality(const Site& site, const Equalization& e, const Range& range, std::size_t reader) {
  const Quantizer q = asymmetric_u8(range.low, range.high);
  std::vector<float> x = equalized(site.values, e);
  for (float& each : x) {
    each = static_cast<float>((std::clamp(std::nearbyint(each / q.scale) + q.zero_point, 0.0, 255.0) - q.zero_point) *
                              q.scale);
  }
  FloatRows rows = site.readers[reader];
  fold(e, rows);
  const std::vector<float> scales = weight_scales(rows, WeightScales::per_channel, q.scale);
  for (std::size_t i = 0; i < rows.weight.size(); ++i) {
    rows.weight[i] = std::nearbyint(rows.weight[i] / scales[i / kColumns]) * scales[i / kColumns];
  }
  return signal_to_noise(outputs(site.values, site.readers[reader]), outputs(x, rows));
}

/// Largest to median width of the columns.
double spread(const ColumnStatistics& statistics) {
  std::vector<float> widths;
  for (std::size_t j = 0; j < kColumns; ++j)
    widths.push_back(std::max(std::abs(statistics.low[j]), std::abs(statistics.high[j])));
  std::sort(widths.begin(), widths.end());
  return static_cast<double>(widths.back() / widths[kColumns / 2]);
}

}  // namespace

TEST_CASE("equalization leaves the outputs of every product of the site as they are in float, the gate's too") {
  const Site site;
  for (const EqualizeMethod method : kMethods) {
    const Equalization e = site.solve(method).equalization;
    for (FloatRows rows : site.readers) {
      const std::vector<double> exact = outputs(site.values, rows);
      fold(e, rows);
      CHECK(signal_to_noise(exact, outputs(equalized(site.values, e), rows)) > 80.0);  // 1e-4
    }
  }
}

TEST_CASE("a gate that did not take up the site's scales would be noticed") {
  const Site site;
  const Equalization e = site.solve(EqualizeMethod::smoothquant).equalization;
  const FloatRows& gate = site.readers[1];
  CHECK(signal_to_noise(outputs(site.values, gate), outputs(equalized(site.values, e), gate)) < 20.0);
}

TEST_CASE("with outlier columns every solver gains 10 dB or more at 8 bits, and the columns' widths come together") {
  const Site site;
  const ColumnStatistics& before = site.statistics();
  const Equalization none{.scale = std::vector<float>(kColumns, 1.0f), .shift = std::vector<float>(kColumns, 0.0f)};
  for (const EqualizeMethod method : kMethods) {
    const EqualizedSite solved = site.solve(method);
    INFO("method " << static_cast<int>(method));
    CHECK(spread(equalized_statistics(before, solved.equalization)) < 0.3 * spread(before));
    for (const std::size_t reader : {0, 1}) {
      const double without = rounded_quality(site, none, equalized_range(before, none), reader);
      CHECK(rounded_quality(site, solved.equalization, solved.range, reader) > without + 10.0);
    }
  }
}

TEST_CASE("power-of-two scales are powers of two") {
  for (const float scale : Site().solve(EqualizeMethod::power_of_two).equalization.scale) {
    CHECK(std::log2(scale) == std::round(std::log2(scale)));
  }
}

TEST_CASE("statistics of equalized values are those that observing them gives") {
  const Site site;
  ColumnObserver plain({.sample_rows = 64, .second_moments = true}), moved = plain;
  plain.observe(pool, "x", site.values, kColumns);
  const Equalization e = site.solve(EqualizeMethod::os_plus).equalization;
  moved.observe(pool, "x", equalized(site.values, e), kColumns);
  plain.finish(pool);
  moved.finish(pool);
  const ColumnStatistics found = equalized_statistics(plain.statistics().at("x"), e);
  const ColumnStatistics& expected = moved.statistics().at("x");
  const float largest = *std::max_element(expected.second_moment.begin(), expected.second_moment.end());
  for (std::size_t j = 0; j < kColumns; ++j) {
    CHECK(found.low[j] == Approx(expected.low[j]).margin(1e-4));
    CHECK(found.high[j] == Approx(expected.high[j]).margin(1e-4));
    CHECK(found.sum[j] == Approx(expected.sum[j]).margin(0.01));
    for (std::size_t i = 0; i <= j; ++i) {
      CHECK(found.second_moment[i * kColumns + j] ==
            Approx(expected.second_moment[i * kColumns + j]).margin(largest * 1e-3f));
    }
  }
  CHECK(found.sample.size() == 64 * kColumns);
}

}  // namespace octavo::test
