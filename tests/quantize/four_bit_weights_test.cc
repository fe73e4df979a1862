// Weights of 4 bits: multipliers of groups, codes, and what rounding to them costs.
#include "quantize/four_bit_weights.h"

#include "kernels/kernels.h"
#include "quantize/gptq.h"
#include "quantize/quantized_tables.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <random>

namespace octavo::test {
namespace {

ThreadPool pool(2);

/// Rows of normal weights whose groups of 32 inputs are of very different sizes.
FloatRows uneven_rows(int columns, int inputs) {
  std::mt19937 random(21);
  std::normal_distribution<float> normal;
  FloatRows rows{.name = "rows",
                 .columns = columns,
                 .inputs = inputs,
                 .weight = {},
                 .bias = std::vector<float>(static_cast<std::size_t>(columns), 0.1f)};
  for (int i = 0; i < columns * inputs; ++i)
    rows.weight.push_back(normal(random) * (i % inputs / 32 % 2 == 0 ? 0.02f : 0.1f));
  return rows;
}

InputCodes codes_of(int inputs) { return {.quantizer = asymmetric_u8(-1.0f, 3.0f), .columns = inputs}; }

float nearest(const FloatRows& rows, int n, int k) {
  const auto row = static_cast<std::size_t>(n);
  const float weight = rows.weight[row * static_cast<std::size_t>(rows.inputs) + static_cast<std::size_t>(k)];
  return rounded_code(rows, n, k, weight, rows.scales[row]) * rows.scales[row];
}

double squared_error(const FloatRows& rows) {
  double sum = 0.0;
  for (int n = 0; n < rows.columns; ++n) {
    for (int k = 0; k < rows.inputs; ++k)
      sum +=
          std::pow(double{nearest(rows, n, k)} - double{rows.weight[static_cast<std::size_t>(n * rows.inputs + k)]}, 2);
  }
  return sum;
}

}  // namespace

TEST_CASE("groups of different sizes have multipliers of their own, with less than half of one scale's error") {
  const FloatRows rows = with_group_multipliers(uneven_rows(24, 100), codes_of(100), {}, &pool);
  FloatRows one = rows;
  for (std::size_t n = 0; n < 24; ++n) {  // the best that all groups of a row can share
    double least = 1e9;
    std::int8_t best = 1;
    for (int m = -15; m <= 16; ++m) {
      if (m == 0) continue;
      std::fill_n(one.four_bit->multiplier.begin() + static_cast<std::ptrdiff_t>(4 * n), 4,
                  static_cast<std::int8_t>(m));
      double error = 0.0;
      for (int k = 0; k < 100; ++k)
        error += std::pow(
            double{nearest(one, static_cast<int>(n), k)} - double{one.weight[n * 100 + static_cast<std::size_t>(k)]},
            2);
      if (error < least) least = error, best = static_cast<std::int8_t>(m);
    }
    std::fill_n(one.four_bit->multiplier.begin() + static_cast<std::ptrdiff_t>(4 * n), 4, best);
  }
  CHECK(squared_error(rows) < 0.7 * squared_error(one));
  CHECK(rows.four_bit->groups == 4);
  CHECK(rows.four_bit->group[99] == 3);
  CHECK(with_group_multipliers(uneven_rows(24, 100), codes_of(100), {}, nullptr).four_bit->multiplier ==
        rows.four_bit->multiplier);
  for (const int m : rows.four_bit->multiplier) CHECK((m >= -15 && m <= 16 && m != 0));
}

TEST_CASE("the longer side of the codes meets a group's largest weight") {
  FloatRows rows{.name = "rows", .columns = 2, .inputs = 64, .weight = std::vector<float>(128, 0.0f), .bias = {0, 0}};
  rows.weight[3] = 0.5f, rows.weight[4] = -0.44f;
  rows.weight[67] = -0.5f, rows.weight[68] = 0.44f;
  rows = with_group_multipliers(std::move(rows), codes_of(64), {}, nullptr);
  CHECK(rows.multiplier(0, 3) < 0);
  CHECK(rows.multiplier(1, 3) > 0);
  for (const int n : {0, 1}) {
    for (const int k : {3, 4})
      CHECK(nearest(rows, n, k) == Approx(rows.weight[static_cast<std::size_t>(64 * n + k)]).margin(0.004));
  }
}

TEST_CASE("inputs that matter more have less error") {
  FloatRows plain = uneven_rows(24, 64);
  std::vector<float> importance(64, 0.01f);
  for (std::size_t k = 0; k < 64; k += 8) importance[k] = 1.0f;
  const FloatRows weighted = with_group_multipliers(plain, codes_of(64), importance, &pool);
  plain = with_group_multipliers(std::move(plain), codes_of(64), {}, &pool);
  const auto error = [&](const FloatRows& rows) {
    double sum = 0.0;
    for (int n = 0; n < 24; ++n) {
      for (int k = 0; k < 64; k += 8)
        sum += std::pow(double{nearest(rows, n, k)} - double{rows.weight[static_cast<std::size_t>(64 * n + k)]}, 2);
    }
    return sum;
  };
  CHECK(error(weighted) < 0.8 * error(plain));
}

TEST_CASE("what is packed are the codes, each times its multiplier the s8 weight, and padding is zero") {
  FloatRows rows = with_group_multipliers(uneven_rows(40, 100), codes_of(100), {}, &pool);
  WeightPacker packer(codes_of(100), WeightScales::per_channel);
  const QuantizedBlock block = packer.add({{rows, 0.05, {.scale = 0.05f}}})[0];
  REQUIRE(packer.depth() == 128);
  const Tensor weight = packer.weight(), multiplier = packer.group_multiplier();
  REQUIRE(weight.dtype() == DType::u8);
  CHECK(weight.shape() == Tensor::Shape{64, 64});
  CHECK(multiplier.shape() == Tensor::Shape{64, 4});
  CHECK(block.columns == 40);
  int wrong = 0, nonzero = 0;
  for (std::size_t n = 0; n < 64; ++n) {
    for (std::size_t k = 0; k < 128; ++k) {
      const int both = weight.as<std::uint8_t>()[kernels::code_index(n, k, 128)],
                code = (kernels::in_high_half(n) ? both >> 4 : both & 15) - 8,
                found = code * multiplier.as<std::int8_t>()[kernels::group_index(n, k, 128)];
      const bool real = n < 40 && k < 100;
      const int expected =
          real ? static_cast<int>(std::lround(nearest(rows, static_cast<int>(n), static_cast<int>(k)) / rows.scales[n]))
               : 0;
      wrong += found != expected;
      nonzero += found != 0;
    }
  }
  CHECK(wrong == 0);
  CHECK(nonzero > 2000);
}

TEST_CASE("inputs with channel splits belong to the group of their place") {
  std::vector<int> splits(48, 1);
  splits[0] = 5, splits[30] = 3;  // in places 34 to 36
  InputCodes codes = codes_of(48);
  codes.channel_splits = splits;
  const FloatRows rows = with_group_multipliers(uneven_rows(8, 48), codes, {}, nullptr);
  CHECK(rows.four_bit->group[27] == 0);
  CHECK(rows.four_bit->group[28] == 1);
  const FloatRows repeated = repeat_columns(rows, splits);
  CHECK(repeated.inputs == 54);
  CHECK(repeated.multiplier(3, 31) == rows.multiplier(3, 27));
  CHECK(repeated.multiplier(3, 32) == rows.multiplier(3, 28));
  const FloatRows copies = repeat_rows(rows, {1, 3, 1, 1, 1, 1, 1, 1});
  CHECK(copies.columns == 10);
  CHECK(copies.multiplier(3, 40) == rows.multiplier(1, 40));
  CHECK(copies.multiplier(4, 40) == rows.multiplier(2, 40));
}

TEST_CASE("compensated rounding keeps to the groups' steps, with less than 0.7 of the outputs' squared error") {
  constexpr int kInputs = 96, kRows = 600;
  std::mt19937 random(22);
  std::normal_distribution<float> normal;
  std::vector<float> values;
  for (int i = 0; i < kRows; ++i) {
    const float common = normal(random);
    for (int k = 0; k < kInputs; ++k) values.push_back(common + 0.5f * normal(random));
  }
  ColumnObserver observer({.sample_rows = kRows, .second_moments = true});
  observer.observe(pool, "x", values, kInputs);
  observer.finish(pool);
  const InputCodes codes{.quantizer = asymmetric_u8(-4.0f, 4.0f), .columns = kInputs};
  const FloatRows exact = uneven_rows(24, kInputs);
  const GptqSolver solver(pool, observer.statistics().at("x"), codes, {.compensate = true});
  FloatRows rows = with_group_multipliers(exact, codes, solver.importance(), &pool), plain = rows;
  solver.refine(rows);
  double without = 0.0, with = 0.0;
  for (int n = 0; n < 24; ++n) {
    for (int k = 0; k < kInputs; ++k)
      CHECK(nearest(rows, n, k) == Approx(rows.weight[static_cast<std::size_t>(n * kInputs + k)]).margin(1e-6));
    for (std::size_t i = 0; i < kRows; ++i) {
      double by_nearest = 0.0, compensated = 0.0;
      for (int k = 0; k < kInputs; ++k) {
        const double x = double{values[i * kInputs + static_cast<std::size_t>(k)]},
                     w = double{exact.weight[static_cast<std::size_t>(n * kInputs + k)]};
        by_nearest += x * (double{nearest(plain, n, k)} - w);
        compensated += x * (double{nearest(rows, n, k)} - w);
      }
      without += by_nearest * by_nearest;
      with += compensated * compensated;
    }
  }
  CHECK(with < 0.7 * without);
}

}  // namespace octavo::test
