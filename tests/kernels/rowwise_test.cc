// Row-wise kernels against formulas in double.
#include "kernels/kernels.h"
#include "system/rowwise_problem.h"
#include "tests/kernels/kernel_support.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::kernels;
using namespace octavo::problems;

constexpr std::int32_t kMostS32 = std::numeric_limits<std::int32_t>::max();
constexpr int kColumns[] = {1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 384, 768, 1000, 8192};

constexpr auto kRowMajor = Problem::Order::rows;

// One row of `values`, stream alone, gain 2^30 and shift 12 - `fraction_bits`: a normalised value of 1 is
// 2^(8 + fraction_bits).
std::vector<int> normalized(const KernelTable& table, const std::vector<int>& values, std::int64_t epsilon) {
  LayerNormProblem norm(1, static_cast<int>(values.size()), kRowMajor);
  norm.args.u8 = {};
  norm.s16.set(1 << 30, 1 << 11);  // one half
  norm.args.s16.shift = 12;
  norm.args.epsilon = epsilon;
  for (int j = 0; j < norm.columns; ++j) norm.x(0, j) = static_cast<std::int16_t>(values[static_cast<std::size_t>(j)]);
  norm.run(table);
  return {norm.s16_output.begin(), norm.s16_output.begin() + norm.columns};
}

// A value in steps of its row.
std::int64_t steps(LayerNormProblem& norm, int row, int column) {
  const OutlierColumns& outliers = norm.args.outliers;
  const int* found = std::find(outliers.column, outliers.column + outliers.count, column);
  const bool outlier = found != outliers.column + outliers.count;
  return std::int64_t{norm.x(row, column)} << (outlier ? outliers.shift[found - outliers.column] : 0);
}

// The sums of a row that decide its outputs, exact: below 2^63.
struct Statistics {
  std::int64_t sum, variance;  // columns^2 times the row's variance, plus epsilon
};
Statistics statistics_of(LayerNormProblem& norm, int row) {
  std::int64_t sum = 0, squares = 0;
  for (int j = 0; j < norm.columns; ++j) {
    if (!norm.args.rms) sum += steps(norm, row, j);
    squares += steps(norm, row, j) * steps(norm, row, j);
  }
  return {sum, norm.columns * squares - sum * sum + norm.args.epsilon};
}

// An output's value before clamping lies between floor(value - error) and floor(value + error).
struct Expected {
  long double value, error;
};
Expected expected_output(const NormConstants& lane, int column, long double normalized) {
  const long double n = std::ldexp(normalized, 22);
  const long double n_error = std::abs(n) * std::exp2(-29.9L) + 2;  // the root; halves of two floors
  const long double gain = lane.gain[column];
  const long double sum = std::ldexp(n * gain, -32) + lane.offset[column];
  return {std::ldexp(sum, -lane.shift), std::ldexp(n_error * std::abs(gain) / 4294967296.0L + 1, -lane.shift)};
}
bool within(const NormConstants& lane, Expected expected, int actual) {
  const auto clamped = [&](long double value) {
    return std::clamp<long double>(std::floor(value), lane.low, lane.high);
  };
  return clamped(expected.value - expected.error) <= actual && actual <= clamped(expected.value + expected.error);
}

void require_formula(LayerNormProblem& norm) {
  norm.run(scalar_table());
  int different = 0;
  for (int row = 0; row < norm.rows; ++row) {
    const Statistics row_is = statistics_of(norm, row);
    const long double root = std::sqrt(static_cast<long double>(std::max<std::int64_t>(row_is.variance, 1)));
    for (int j = 0; j < norm.columns; ++j) {
      const long double value = static_cast<long double>(norm.columns * steps(norm, row, j) - row_is.sum) / root;
      const NormConstants &bytes = norm.args.u8, &stream = norm.args.s16;
      if (bytes.gain) different += !within(bytes, expected_output(bytes, j, value), norm.u8_at(row, j));
      if (stream.gain) different += !within(stream, expected_output(stream, j, value), norm.s16_at(row, j));
    }
  }
  REQUIRE(different == 0);
}

}  // namespace

TEST_CASE("a row of two values normalises to minus one and one, at the extremes too") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    REQUIRE(normalized(table, {-5, 5}, 0) == std::vector<int>{-256, 256});
    REQUIRE(normalized(table, {0, 1}, 0) == std::vector<int>{-256, 256});
    REQUIRE(normalized(table, {7, 8, 7, 8}, 0) == std::vector<int>{-256, 256, -256, 256});
    REQUIRE(normalized(table, {-32768, 32767}, 0) == std::vector<int>{-256, 256});
    REQUIRE(normalized(table, {32767, -32768, -32768, 32767}, 0) == std::vector<int>{256, -256, -256, 256});
    REQUIRE(normalized(table, {0, 0, 0, 4}, 0) == std::vector<int>{-148, -148, -148, 443});  // 1/sqrt(3), sqrt(3)
  }
}

TEST_CASE("epsilon adds to columns^2 times the variance") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    REQUIRE(normalized(table, {-5, 5}, 300) == std::vector<int>{-128, 128});  // 10 / sqrt(100 + 300)
    REQUIRE(normalized(table, {-32768, 32767}, std::int64_t{1} << 58) == std::vector<int>{0, 0});
    REQUIRE(normalized(table, {0, 0, 0}, std::int64_t{1} << 58) == std::vector<int>{0, 0, 0});
  }
}

TEST_CASE("a row of equal values gives beta") {
  for (const int value : {-32768, -1, 0, 1234, 32767}) {
    for (const std::int64_t epsilon : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1} << 40}) {
      for (const auto& [isa, table] : available_tables()) {
        CAPTURE(isa, value, epsilon);
        LayerNormProblem norm(2, 77, kRowMajor);
        norm.args.epsilon = epsilon;
        std::fill(norm.in.begin(), norm.in.end(), static_cast<std::int16_t>(value));
        norm.u8.set(kMostS32, 0), norm.s16.set(-kMostS32, 0);
        for (int j = 0; j < 77; ++j) {
          norm.u8.offset[j] = (3 * j << 10) + 512;
          norm.s16.offset[j] = (-400 * j << 10) + 512;
        }
        norm.run(table);
        for (int j = 0; j < 77; ++j) {
          REQUIRE(norm.u8_at(1, j) == 3 * j);
          REQUIRE(norm.s16_at(1, j) == -400 * j);
        }
      }
    }
  }
}

TEST_CASE("each lane is clamped to limits of its own, far outside too") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    LayerNormProblem norm(1, 40, kRowMajor);
    norm.args.u8.low = 10, norm.args.u8.high = 200, norm.args.s16.low = -3000, norm.args.s16.high = 31000;
    const std::int32_t codes[] = {9, 10, 11, 199, 200, 201, -(1 << 20), 1 << 20, -3001, -3000, 30999, 31001};
    for (int j = 0; j < 12; ++j) norm.u8.offset[j] = norm.s16.offset[j] = codes[j] * 1024;
    norm.run(table);
    const int bytes[] = {10, 10, 11, 199, 200, 200, 10, 200, 10, 10, 200, 200};
    const int shorts[] = {9, 10, 11, 199, 200, 201, -3000, 31000, -3000, -3000, 30999, 31000};
    for (int j = 0; j < 12; ++j) {
      CAPTURE(j);
      REQUIRE(norm.u8_at(0, j) == bytes[j]);
      REQUIRE(norm.s16_at(0, j) == shorts[j]);
    }
  }
}

TEST_CASE("a LayerNorm of quantized values is the real one to half a step") {
  constexpr int kWidth = 384, kZeroPoint = 120;
  constexpr double kInStep = 0.0009, kByteStep = 0.031, kStreamStep = 0.0004, kEpsilon = 1e-12;
  Random random(21);
  std::normal_distribution<double> normal;
  for (const auto& [isa, table] : available_tables()) {
    LayerNormProblem norm(5, kWidth, kRowMajor);
    std::vector<double> gamma(kWidth), beta(kWidth);
    norm.args.u8.shift = 15, norm.args.s16.shift = 9;  // the largest whose gains fit 32 bits
    for (int j = 0; j < kWidth; ++j) {
      gamma[j] = 0.7 + 0.2 * normal(random), beta[j] = 0.1 * normal(random);
      const auto set = [&](NormOutput& output, double step, double zero_point) {
        const double offset = beta[j] / step + zero_point + 0.5;
        const int shift = output.constants.shift;
        output.gain[j] = static_cast<std::int32_t>(std::lround(std::ldexp(gamma[j] / step, shift + 10)));
        output.offset[j] = static_cast<std::int32_t>(std::lround(std::ldexp(offset, shift)));
      };
      set(norm.u8, kByteStep, kZeroPoint), set(norm.s16, kStreamStep, 0);
      for (int row = 0; row < norm.rows; ++row) norm.x(row, j) = static_cast<std::int16_t>(300 + 800 * normal(random));
    }
    norm.args.epsilon = std::lround(kEpsilon * kWidth * kWidth / (kInStep * kInStep));
    norm.run(table);
    double worst_byte = 0, worst_short = 0;
    for (int row = 0; row < norm.rows; ++row) {
      double mean = 0, variance = 0;
      for (int j = 0; j < kWidth; ++j) mean += norm.x(row, j) * kInStep / kWidth;
      for (int j = 0; j < kWidth; ++j) variance += std::pow(norm.x(row, j) * kInStep - mean, 2) / kWidth;
      for (int j = 0; j < kWidth; ++j) {
        const double y = (norm.x(row, j) * kInStep - mean) / std::sqrt(variance + kEpsilon) * gamma[j] + beta[j];
        const double code = std::clamp(y / kByteStep + kZeroPoint, 0.0, 255.0);
        worst_byte = std::max(worst_byte, std::abs(norm.u8_at(row, j) - code));
        worst_short = std::max(worst_short, std::abs(norm.s16_at(row, j) - y / kStreamStep));
      }
    }
    CAPTURE(isa, worst_byte, worst_short);
    REQUIRE(worst_byte <= 0.5001);
    REQUIRE(worst_short <= 0.504);
  }
}

TEST_CASE("the scalar LayerNorm, and RMSNorm, is its formula for all inputs of the contract") {
  Random random(22);
  for (const int columns : kColumns) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      CAPTURE(columns, repeat);
      LayerNormProblem norm = random_layer_norm({.rows = 3, .columns = columns}, random);
      if (norm.args.s16_output != norm.in.data()) require_formula(norm);
    }
  }
}

TEST_CASE("an embedding sum is the rounded sum of its rows") {
  Random random(23);
  for (const int tables : {1, 2, 3, 4}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      EmbeddingProblem embedding(5, 37, tables, random);
      embedding.run(scalar_table());
      for (int row = 0; row < 5; ++row) {
        for (int j = 0; j < 37; ++j) {
          double sum = 0;
          for (int t = 0; t < tables; ++t) {
            const EmbeddingTable& table = embedding.args.table[t];
            sum += table.multiplier[table.index[row]] / 32768.0 * embedding.code(t, table.index[row], j);
          }
          REQUIRE(embedding.value(row, j) == std::clamp(std::floor(sum + 0.5), -32768.0, 32767.0));
        }
      }
    }
  }
}

TEST_CASE("a column sum is exact over the longest sequence of extremes") {
  constexpr int kRows = 65536, kWidth = 19;
  for (const int value : {-32768, 32767}) {
    Guarded<std::int16_t> in(std::size_t{kRows} * kWidth, 2);
    std::fill(in.begin(), in.end(), static_cast<std::int16_t>(value));
    in[0] = 0;
    for (const auto& [isa, table] : available_tables()) {
      CAPTURE(isa, value);
      Guarded<std::int32_t> out(kWidth, 4);
      table.column_sum({.rows = kRows, .columns = kWidth, .in = in.data(), .stride = kWidth, .out = out.data()});
      REQUIRE(out[0] == (kRows - 1) * value);
      for (int j = 1; j < kWidth; ++j) REQUIRE(out[j] == std::int64_t{kRows} * value);
      REQUIRE(out.intact());
    }
  }
}

TEST_CASE("an output without gain is not written, and neither is anything past the columns or rows") {
  for (const auto& [isa, table] : available_tables()) {
    for (const auto order : {Problem::Order::tiles, Problem::Order::rows}) {
      for (const int columns : kColumns) {
        for (const int missing : {0, 1, 2}) {
          CAPTURE(isa, static_cast<int>(order), columns, missing);
          LayerNormProblem norm(17, columns, order);
          norm.u8.set(0, 7 << 10), norm.s16.set(0, 9 << 10);
          if (missing == 1) norm.args.u8 = {};
          if (missing == 2) norm.args.s16 = {};
          norm.run(table);
          std::size_t bytes = 0, shorts = 0;
          for (const std::uint8_t value : norm.u8_output) bytes += value == 7;
          for (const std::int16_t value : norm.s16_output) shorts += value == 9;
          const std::size_t all = std::size_t{17} * static_cast<std::size_t>(columns);
          REQUIRE(bytes == (missing != 1 ? all : 0));
          REQUIRE(shorts == (missing != 2 ? all : 0));
          const auto untouched = std::count(norm.u8_output.begin(), norm.u8_output.end(), 0xA5);
          REQUIRE(bytes + static_cast<std::size_t>(untouched) == norm.u8_output.size());
        }
      }
    }
  }
}

TEST_CASE("a LayerNorm in place gives what it gives elsewhere") {
  Random random(24);
  for (const int columns : kColumns) {
    LayerNormProblem norm = random_layer_norm({.rows = 18, .columns = columns}, random);
    norm.args.s16 = {norm.s16.gain.data(), norm.s16.offset.data(), 10, -32768, 32767};
    norm.args.s16_output = norm.s16_output.data(), norm.args.s16_stride = columns + 6;
    norm.run(scalar_table());
    std::vector<int> elsewhere;
    for (int row = 0; row < norm.rows; ++row) {
      for (int j = 0; j < columns; ++j) elsewhere.push_back(norm.s16_at(row, j));
    }
    norm.use_place_of_input();
    for (const auto& [isa, table] : available_tables()) {
      CAPTURE(isa, columns);
      norm.run(table);
      std::vector<int> in_place;
      for (int row = 0; row < norm.rows; ++row) {
        for (int j = 0; j < columns; ++j) in_place.push_back(norm.s16_at(row, j));
      }
      REQUIRE(in_place == elsewhere);
    }
  }
}

TEST_CASE("a column sum is the sum of each column") {
  Random random(27);
  for (const int columns : kColumns) {
    const int rows = 7, stride = columns + 3;
    Guarded<std::int16_t> in(static_cast<std::size_t>(rows * stride - 3), 2);
    fill(in, Fill::any, -32768, 32767, random);
    std::vector<double> expected(static_cast<std::size_t>(columns));
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j)
        expected[static_cast<std::size_t>(j)] += in[static_cast<std::size_t>(i * stride + j)];
    }
    for (const auto& [isa, table] : available_tables()) {
      CAPTURE(isa, columns);
      Guarded<std::int32_t> out(static_cast<std::size_t>(columns), 4);
      table.column_sum({.rows = rows, .columns = columns, .in = in.data(), .stride = stride, .out = out.data()});
      REQUIRE((std::vector<double>(out.begin(), out.end()) == expected));
    }
  }
}

}  // namespace octavo::test
