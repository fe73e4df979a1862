// What makes up for rounding: biases that keep the mean, weights that make up for each other.
#include "quantize/gptq.h"

#include "quantize/quantized_weights.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace octavo::test {
namespace {

ThreadPool pool(2);

constexpr int kColumns = 64, kRows = 800, kOutputs = 24;

struct Product {
  std::vector<float> values;
  FloatRows rows{.name = "rows",
                 .columns = kOutputs,
                 .inputs = kColumns,
                 .weight = {},
                 .bias = std::vector<float>(kOutputs, 0.3f)};
  ColumnObserver observer{{.sample_rows = kRows, .second_moments = true}};
  Quantizer quantizer;

  /// Correlated inputs, most of them just below a step's middle, as after a GELU; one large weight.
  Product() {
    std::mt19937 random(11);
    std::normal_distribution<float> normal;
    for (int i = 0; i < kRows; ++i) {
      const float common = normal(random);
      for (int k = 0; k < kColumns; ++k) {
        const float x = common + 0.5f * normal(random);
        values.push_back(x > 0.0f ? x : -0.017f);
      }
    }
    for (int i = 0; i < kOutputs * kColumns; ++i) rows.weight.push_back(0.05f * normal(random));
    rows.weight[7] = 4.0f;
    observer.observe(pool, "x", values, kColumns);
    observer.finish(pool);
    quantizer = asymmetric_u8(-0.017f, *std::max_element(values.begin(), values.end()));
    rows.scales = weight_scales(rows, WeightScales::per_tensor, quantizer.scale);
  }

  FloatRows refined(const Refinement& refinement) const {
    FloatRows result = rows;
    GptqSolver(pool, observer.statistics().at("x"), {.quantizer = quantizer, .columns = kColumns}, refinement)
        .refine(result);
    return result;
  }

  float rounded(float x) const {
    const double code = std::clamp(std::nearbyint(x / quantizer.scale) + quantizer.zero_point, 0.0, 255.0);
    return static_cast<float>((code - quantizer.zero_point) * quantizer.scale);
  }

  struct Error {
    double mean, deviation, square;
  };

  /// Of one output, in steps of its own standard deviation.
  Error error(const FloatRows& found, std::size_t n) const {
    double sum = 0.0, square = 0.0, output = 0.0, output_square = 0.0;
    for (std::size_t i = 0; i < kRows; ++i) {
      double exact = static_cast<double>(rows.bias[n]), integer = static_cast<double>(found.bias[n]);
      for (std::size_t k = 0; k < kColumns; ++k) {
        const float scale = rows.scales[n], weight = std::nearbyint(found.weight[n * kColumns + k] / scale) * scale;
        exact += static_cast<double>(values[i * kColumns + k]) * static_cast<double>(rows.weight[n * kColumns + k]);
        integer += static_cast<double>(rounded(values[i * kColumns + k])) * static_cast<double>(weight);
      }
      sum += integer - exact;
      square += (integer - exact) * (integer - exact);
      output += exact;
      output_square += exact * exact;
    }
    const double mean = output / kRows, deviation = std::sqrt(output_square / kRows - mean * mean);
    return {.mean = sum / kRows / deviation, .deviation = deviation, .square = square / kRows};
  }
};

}  // namespace

TEST_CASE("bias correction brings every output's mean error below a thousandth of its deviation") {
  const Product product;
  const FloatRows plain = product.refined({}), corrected = product.refined({.correct_bias = true});
  double worst_without = 0.0;
  for (std::size_t n = 0; n < kOutputs; ++n) {
    worst_without = std::max(worst_without, std::abs(product.error(plain, n).mean));
    CHECK(std::abs(product.error(corrected, n).mean) < 1e-3);
  }
  CHECK(worst_without > 1e-2);
  CHECK(corrected.weight == product.rows.weight);
}

TEST_CASE("compensated rounding gives multiples of the scale, and less than half of the outputs' squared error") {
  const Product product;
  const FloatRows plain = product.refined({}), compensated = product.refined({.compensate = true});
  double without = 0.0, with = 0.0;
  for (std::size_t n = 0; n < kOutputs; ++n) {
    without += product.error(plain, n).square;
    with += product.error(compensated, n).square;
  }
  CHECK(with < 0.5 * without);
  for (std::size_t i = 0; i < compensated.weight.size(); ++i) {
    const float code = compensated.weight[i] / product.rows.scales[i / kColumns];
    CHECK(std::abs(code - std::nearbyint(code)) < 1e-4f);
    CHECK(std::abs(code) < 127.5f);
  }
}

TEST_CASE("both together keep the mean of what was compensated") {
  const Product product;
  const FloatRows both = product.refined({.compensate = true, .correct_bias = true});
  for (std::size_t n = 0; n < kOutputs; ++n) CHECK(std::abs(product.error(both, n).mean) < 1e-3);
}

}  // namespace octavo::test
