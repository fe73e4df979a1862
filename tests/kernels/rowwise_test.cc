// Row-wise kernels: the scalar ones against formulas in double, the others against the scalar ones.
#include "kernels/kernels.h"
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

constexpr std::int32_t kMostS32 = std::numeric_limits<std::int32_t>::max();
constexpr int kColumns[] = {1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 384, 768, 1000, 8192};

int round_up(int value, int step) { return (value + step - 1) / step * step; }
KernelTable scalar_table() { return table_for(Isa::scalar); }

// The constants of one lane in guarded memory: gain 0 and offset 0 at first.
struct Lane {
  explicit Lane(int columns) : gain(columns, 4), offset(columns, 4) { set(0, 0); }
  void set(std::int32_t every_gain, std::int32_t every_offset) {
    std::fill(gain.begin(), gain.end(), every_gain);
    std::fill(offset.begin(), offset.end(), every_offset);
  }
  NormLane call() const { return {exists ? gain.data() : nullptr, offset.data(), shift, low, high}; }

  Guarded<std::int32_t> gain, offset;
  bool exists = true;
  int shift = 10;
  std::int32_t low = 0, high = 0;
};

enum class Order { tiles, rows };

// One LayerNorm with all that it may touch in guarded memory: rows end with the last element that may be read or
// written. Outputs of a run hold 0xA5 bytes where nothing was written.
class Norm {
 public:
  Norm(int rows, int columns, Order order = Order::rows)
      : rows(rows),
        columns(columns),
        bytes(columns),
        stream(columns),
        in(elements(rows, columns + kGap), 2),
        bytes_out(order == Order::tiles ? static_cast<std::size_t>(round_up(rows, 16)) * round_up(columns, 64)
                                        : elements(rows, columns + kGap),
                  order == Order::tiles ? 64 : 1),
        stream_out(elements(rows, columns + kGap + 1), 2),
        order_(order) {
    bytes.high = 255;
    stream.low = -32768, stream.high = 32767;
    std::fill(in.begin(), in.end(), std::int16_t{0});
  }

  void run(const KernelTable& table) {
    std::fill(bytes_out.begin(), bytes_out.end(), std::uint8_t{0xA5});
    std::fill(stream_out.begin(), stream_out.end(), kUntouched);
    table.layer_norm(call());
  }
  LayerNorm call() {
    const int stride = columns + kGap, tile = 16 * round_up(columns, 64);
    return {.rows = rows,
            .columns = columns,
            .in = in.data(),
            .in_stride = stride,
            .epsilon = epsilon,
            .bytes = bytes.call(),
            .bytes_out = order_ == Order::tiles ? ByteMatrix{bytes_out.data(), tile, 64, 1024}
                                                : ByteMatrix{bytes_out.data(), 16 * stride, stride, 64},
            .stream = stream.call(),
            .stream_out = stream_out.data(),
            .stream_stride = stride + 1};
  }

  std::int16_t& x(int row, int column) { return in[static_cast<std::size_t>(row * (columns + kGap) + column)]; }
  int short_at(int row, int column) const {
    return stream_out[static_cast<std::size_t>(row * (columns + kGap + 1) + column)];
  }
  int byte_at(int row, int column) {
    const ByteMatrix m = call().bytes_out;
    return m.data[row / 16 * m.tile_stride + row % 16 * m.row_stride + column / 64 * m.chunk_stride + column % 64];
  }
  bool intact() const {
    return in.intact() && bytes.gain.intact() && bytes.offset.intact() && stream.gain.intact() &&
           stream.offset.intact() && bytes_out.intact() && stream_out.intact();
  }

  static constexpr std::int16_t kUntouched = static_cast<std::int16_t>(0xA5A5);
  int rows, columns;
  std::int64_t epsilon = 0;
  Lane bytes, stream;
  Guarded<std::int16_t> in;
  Guarded<std::uint8_t> bytes_out;
  Guarded<std::int16_t> stream_out;

 private:
  static constexpr int kGap = 5;
  static std::size_t elements(int rows, int stride) { return static_cast<std::size_t>(rows) * stride - kGap; }
  Order order_;
};

// One row of `values`, stream lane only, gain 2^30 and shift 12 - `fraction_bits`: a normalised value of 1 is
// 2^(8 + fraction_bits).
std::vector<int> normalized(const KernelTable& table, const std::vector<int>& values, std::int64_t epsilon) {
  Norm norm(1, static_cast<int>(values.size()));
  norm.bytes.exists = false;
  norm.stream.set(1 << 30, 1 << 11);  // one half
  norm.stream.shift = 12;
  norm.epsilon = epsilon;
  for (int j = 0; j < norm.columns; ++j) norm.x(0, j) = static_cast<std::int16_t>(values[j]);
  norm.run(table);
  return {norm.stream_out.begin(), norm.stream_out.begin() + norm.columns};
}

// The sums of a row that decide its outputs, exact: below 2^63.
struct Statistics {
  std::int64_t sum, variance;  // columns^2 times the row's variance, plus epsilon
};
Statistics statistics_of(Norm& norm, int row) {
  std::int64_t sum = 0, squares = 0;
  for (int j = 0; j < norm.columns; ++j) {
    sum += norm.x(row, j);
    squares += std::int64_t{norm.x(row, j)} * norm.x(row, j);
  }
  return {sum, norm.columns * squares - sum * sum + norm.epsilon};
}

// The lane's value before clamping lies between floor(value - error) and floor(value + error).
struct Expected {
  long double value, error;
};
Expected expected_lane(const Lane& lane, int column, long double normalized) {
  const long double n = std::ldexp(normalized, 22);
  const long double n_error = std::abs(n) * std::exp2(-29.9L) + 2;  // the root; halves of two floors
  const long double gain = lane.gain[static_cast<std::size_t>(column)];
  const long double sum = std::ldexp(n * gain, -32) + lane.offset[static_cast<std::size_t>(column)];
  return {std::ldexp(sum, -lane.shift), std::ldexp(n_error * std::abs(gain) / 4294967296.0L + 1, -lane.shift)};
}
bool within(const Lane& lane, Expected expected, int actual) {
  const auto clamped = [&](long double value) {
    return std::clamp<long double>(std::floor(value), lane.low, lane.high);
  };
  return clamped(expected.value - expected.error) <= actual && actual <= clamped(expected.value + expected.error);
}

void require_formula(Norm& norm) {
  norm.run(scalar_table());
  int different = 0;
  for (int row = 0; row < norm.rows; ++row) {
    const Statistics row_is = statistics_of(norm, row);
    const long double root = std::sqrt(static_cast<long double>(std::max<std::int64_t>(row_is.variance, 1)));
    for (int j = 0; j < norm.columns; ++j) {
      const long double value = static_cast<long double>(norm.columns * norm.x(row, j) - row_is.sum) / root;
      different += !within(norm.bytes, expected_lane(norm.bytes, j, value), norm.byte_at(row, j));
      different += !within(norm.stream, expected_lane(norm.stream, j, value), norm.short_at(row, j));
    }
  }
  REQUIRE(different == 0);
}

// Constants within the contract: of any size, or such that most results fit the lane.
void randomize(Lane& lane, int low, int high, std::mt19937_64& random) {
  const auto pick = [&](int from, int to) { return std::uniform_int_distribution<int>(from, to)(random); };
  const Fill fills[] = {Fill::random, Fill::random, Fill::random, Fill::extremes, Fill::lowest, Fill::highest};
  const std::int64_t gain = kMostS32 >> pick(0, 12), offset = (1 << 30) >> pick(0, 20);
  fill(lane.gain, fills[pick(0, 5)], -gain, gain, random);
  fill(lane.offset, fills[pick(0, 5)], -offset, offset, random);
  lane.shift = pick(0, 2) == 0 ? pick(1, 30) : pick(4, 14);
  lane.low = pick(0, 1) == 0 ? low : pick(low, high);
  lane.high = pick(0, 1) == 0 ? high : pick(lane.low, high);
}

// Rows that differ in spread and place, some of them flat or at the extremes.
void randomize(Norm& norm, std::mt19937_64& random) {
  const auto pick = [&](int from, int to) { return std::uniform_int_distribution<int>(from, to)(random); };
  const Fill fills[] = {Fill::random, Fill::random, Fill::random, Fill::extremes, Fill::lowest, Fill::highest};
  for (int row = 0; row < norm.rows; ++row) {
    const int spreads[] = {1, 2, 50, 3000, 65535}, spread = spreads[pick(0, 4)], low = pick(-32768, 32767 - spread);
    std::vector<std::int16_t> values(static_cast<std::size_t>(norm.columns));
    fill(values, fills[pick(0, 5)], low, low + spread, random);
    for (int j = 0; j < norm.columns; ++j) norm.x(row, j) = values[static_cast<std::size_t>(j)];
  }
  norm.epsilon = pick(0, 2) == 0 ? 0 : static_cast<std::int64_t>(random() & ((std::uint64_t{1} << pick(0, 58)) - 1));
  randomize(norm.bytes, 0, 255, random);
  randomize(norm.stream, -32768, 32767, random);
}

// Tables, indices and output of an embedding sum in guarded memory.
struct Embedding {
  Embedding(int rows, int columns, int tables) : out(static_cast<std::size_t>(rows) * (columns + 3) - 3, 2) {
    sum = {.rows = rows, .columns = columns, .tables = tables, .table = {}, .out = out.data(), .stride = columns + 3};
    for (int i = 0; i < 4; ++i) {
      codes.emplace_back(static_cast<std::size_t>(kCount) * columns, 1);
      multiplier.emplace_back(kCount, 4);
      index.emplace_back(rows, 4);
      if (i < tables) sum.table[i] = {codes[i].data(), multiplier[i].data(), index[i].data()};
    }
  }
  void randomize(std::mt19937_64& random) {
    const Fill fills[] = {Fill::random, Fill::random, Fill::extremes, Fill::lowest, Fill::highest};
    const std::int64_t most = ((std::int64_t{1} << 22) - 1) >> random() % 12;
    for (int i = 0; i < 4; ++i) {
      fill(codes[i], fills[random() % 5], -128, 127, random);
      fill(multiplier[i], fills[random() % 5], -(i == 3 ? most / 2 : most), i == 3 ? most / 2 : most, random);
      fill(index[i], Fill::random, 0, kCount - 1, random);
    }
  }
  void run(const KernelTable& table) {
    std::fill(out.begin(), out.end(), Norm::kUntouched);
    table.embedding_sum(sum);
  }
  bool intact() const {
    for (std::size_t i = 0; i < 4; ++i) {
      if (!codes[i].intact() || !multiplier[i].intact() || !index[i].intact()) return false;
    }
    return out.intact();
  }

  static constexpr int kCount = 4;
  std::vector<Guarded<std::int8_t>> codes;
  std::vector<Guarded<std::int32_t>> multiplier, index;
  Guarded<std::int16_t> out;
  EmbeddingSum sum;
};

template <class T>
std::vector<T> copy_of(const Guarded<T>& values) {
  return {values.begin(), values.end()};
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
        Norm norm(2, 77);
        norm.epsilon = epsilon;
        std::fill(norm.in.begin(), norm.in.end(), static_cast<std::int16_t>(value));
        norm.bytes.set(kMostS32, 0), norm.stream.set(-kMostS32, 0);
        for (int j = 0; j < 77; ++j) {
          norm.bytes.offset[j] = (3 * j << 10) + 512;
          norm.stream.offset[j] = (-400 * j << 10) + 512;
        }
        norm.run(table);
        for (int j = 0; j < 77; ++j) {
          REQUIRE(norm.byte_at(1, j) == 3 * j);
          REQUIRE(norm.short_at(1, j) == -400 * j);
        }
      }
    }
  }
}

TEST_CASE("each lane is clamped to limits of its own, far outside too") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    Norm norm(1, 40);
    norm.bytes.low = 10, norm.bytes.high = 200, norm.stream.low = -3000, norm.stream.high = 31000;
    const std::int32_t codes[] = {9, 10, 11, 199, 200, 201, -(1 << 20), 1 << 20, -3001, -3000, 30999, 31001};
    for (int j = 0; j < 12; ++j) norm.bytes.offset[j] = norm.stream.offset[j] = codes[j] * 1024;
    norm.run(table);
    const int bytes[] = {10, 10, 11, 199, 200, 200, 10, 200, 10, 10, 200, 200};
    const int shorts[] = {9, 10, 11, 199, 200, 201, -3000, 31000, -3000, -3000, 30999, 31000};
    for (int j = 0; j < 12; ++j) {
      CAPTURE(j);
      REQUIRE(norm.byte_at(0, j) == bytes[j]);
      REQUIRE(norm.short_at(0, j) == shorts[j]);
    }
  }
}

TEST_CASE("a LayerNorm of quantized values is the real one to half a step") {
  constexpr int kWidth = 384, kZeroPoint = 120;
  constexpr double kInStep = 0.0009, kByteStep = 0.031, kStreamStep = 0.0004, kEpsilon = 1e-12;
  std::mt19937_64 random(21);
  std::normal_distribution<double> normal;
  for (const auto& [isa, table] : available_tables()) {
    Norm norm(5, kWidth);
    std::vector<double> gamma(kWidth), beta(kWidth);
    norm.bytes.shift = 15, norm.stream.shift = 9;  // the largest whose gains fit 32 bits
    for (int j = 0; j < kWidth; ++j) {
      gamma[j] = 0.7 + 0.2 * normal(random), beta[j] = 0.1 * normal(random);
      const auto set = [&](Lane& lane, double step, double zero_point) {
        const double offset = beta[j] / step + zero_point + 0.5;
        lane.gain[j] = static_cast<std::int32_t>(std::lround(std::ldexp(gamma[j] / step, lane.shift + 10)));
        lane.offset[j] = static_cast<std::int32_t>(std::lround(std::ldexp(offset, lane.shift)));
      };
      set(norm.bytes, kByteStep, kZeroPoint), set(norm.stream, kStreamStep, 0);
      for (int row = 0; row < norm.rows; ++row) norm.x(row, j) = static_cast<std::int16_t>(300 + 800 * normal(random));
    }
    norm.epsilon = std::lround(kEpsilon * kWidth * kWidth / (kInStep * kInStep));
    norm.run(table);
    double worst_byte = 0, worst_short = 0;
    for (int row = 0; row < norm.rows; ++row) {
      double mean = 0, variance = 0;
      for (int j = 0; j < kWidth; ++j) mean += norm.x(row, j) * kInStep / kWidth;
      for (int j = 0; j < kWidth; ++j) variance += std::pow(norm.x(row, j) * kInStep - mean, 2) / kWidth;
      for (int j = 0; j < kWidth; ++j) {
        const double y = (norm.x(row, j) * kInStep - mean) / std::sqrt(variance + kEpsilon) * gamma[j] + beta[j];
        const double code = std::clamp(y / kByteStep + kZeroPoint, 0.0, 255.0);
        worst_byte = std::max(worst_byte, std::abs(norm.byte_at(row, j) - code));
        worst_short = std::max(worst_short, std::abs(norm.short_at(row, j) - y / kStreamStep));
      }
    }
    CAPTURE(isa, worst_byte, worst_short);
    REQUIRE(worst_byte <= 0.5001);
    REQUIRE(worst_short <= 0.504);
  }
}

TEST_CASE("the scalar LayerNorm is its formula for all inputs of the contract") {
  std::mt19937_64 random(22);
  for (const int columns : kColumns) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      CAPTURE(columns, repeat);
      Norm norm(3, columns);
      randomize(norm, random);
      require_formula(norm);
    }
  }
}

TEST_CASE("an embedding sum is the rounded sum of its rows") {
  std::mt19937_64 random(23);
  for (const int tables : {1, 2, 3, 4}) {
    for (int repeat = 0; repeat < 20; ++repeat) {
      Embedding embedding(5, 37, tables);
      embedding.randomize(random);
      embedding.run(scalar_table());
      for (int row = 0; row < 5; ++row) {
        for (int j = 0; j < 37; ++j) {
          double sum = 0;
          for (int t = 0; t < tables; ++t) {
            const int index = embedding.index[t][row];
            sum += double{embedding.multiplier[t][index] / 32768.0} * embedding.codes[t][index * 37 + j];
          }
          REQUIRE(embedding.out[row * 40 + j] == std::clamp(std::floor(sum + 0.5), -32768.0, 32767.0));
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

TEST_CASE("a lane without gain is not written, and neither is anything past the columns or rows") {
  for (const auto& [isa, table] : available_tables()) {
    for (const Order order : {Order::tiles, Order::rows}) {
      for (const int columns : kColumns) {
        for (const int lane : {0, 1, 2}) {
          CAPTURE(isa, static_cast<int>(order), columns, lane);
          Norm norm(17, columns, order);
          norm.bytes.exists = lane != 1, norm.stream.exists = lane != 2;
          norm.bytes.set(0, 7 << 10), norm.stream.set(0, 9 << 10);
          norm.run(table);
          std::size_t bytes = 0, shorts = 0;
          for (const std::uint8_t value : norm.bytes_out) bytes += value == 7;
          for (const std::int16_t value : norm.stream_out) shorts += value == 9;
          const std::size_t all = std::size_t{17} * static_cast<std::size_t>(columns);
          REQUIRE(bytes == (lane != 1 ? all : 0));
          REQUIRE(shorts == (lane != 2 ? all : 0));
          const auto untouched = std::count(norm.bytes_out.begin(), norm.bytes_out.end(), 0xA5);
          REQUIRE(bytes + static_cast<std::size_t>(untouched) == norm.bytes_out.size());
        }
      }
    }
  }
}

TEST_CASE("a LayerNorm in place gives what it gives elsewhere") {
  std::mt19937_64 random(24);
  for (const int columns : kColumns) {
    Norm norm(18, columns);
    randomize(norm, random);
    const std::vector<std::int16_t> before = copy_of(norm.in);
    for (const auto& [isa, table] : available_tables()) {
      CAPTURE(isa, columns);
      std::copy(before.begin(), before.end(), norm.in.begin());
      norm.run(table);
      const std::vector<std::uint8_t> bytes = copy_of(norm.bytes_out);
      LayerNorm in_place = norm.call();
      in_place.stream_out = norm.in.data(), in_place.stream_stride = in_place.in_stride;
      table.layer_norm(in_place);
      REQUIRE((copy_of(norm.bytes_out) == bytes));
      int different = 0;
      for (int row = 0; row < norm.rows; ++row) {
        for (int j = 0; j < columns; ++j) different += norm.x(row, j) != norm.short_at(row, j);
      }
      REQUIRE(different == 0);
      REQUIRE(norm.intact());
    }
  }
}

TEST_CASE("every instruction set gives the scalar LayerNorm bit for bit") {
  std::mt19937_64 random(25);
  for (const int columns : kColumns) {
    for (const int rows : {1, 2, 15, 16, 17, 33}) {
      for (int repeat = 0; repeat < (columns < 1000 ? 12 : 3); ++repeat) {
        Norm norm(rows, columns, repeat % 2 == 0 ? Order::tiles : Order::rows);
        randomize(norm, random);
        norm.bytes.exists = repeat % 3 != 1, norm.stream.exists = repeat % 3 != 2;
        norm.run(scalar_table());
        const auto bytes = copy_of(norm.bytes_out);
        const auto stream = copy_of(norm.stream_out);
        for (const auto& [isa, table] : available_tables()) {
          CAPTURE(isa, rows, columns, repeat, norm.epsilon, norm.bytes.shift, norm.stream.shift);
          norm.run(table);
          REQUIRE((copy_of(norm.bytes_out) == bytes));
          REQUIRE((copy_of(norm.stream_out) == stream));
          REQUIRE(norm.intact());
        }
      }
    }
  }
}

TEST_CASE("every instruction set gives the scalar embedding sum bit for bit") {
  std::mt19937_64 random(26);
  for (const int columns : kColumns) {
    for (const int tables : {1, 2, 3, 4}) {
      for (int repeat = 0; repeat < 6; ++repeat) {
        Embedding embedding(1 + repeat * 3, columns, tables);
        embedding.randomize(random);
        embedding.run(scalar_table());
        const auto expected = copy_of(embedding.out);
        for (const auto& [isa, table] : available_tables()) {
          CAPTURE(isa, columns, tables, repeat);
          embedding.run(table);
          REQUIRE((copy_of(embedding.out) == expected));
          REQUIRE(embedding.intact());
        }
      }
    }
  }
}

TEST_CASE("every instruction set gives the exact column sum") {
  std::mt19937_64 random(27);
  const Fill fills[] = {Fill::random, Fill::extremes, Fill::lowest, Fill::highest};
  for (const int columns : kColumns) {
    for (const int rows : {1, 2, 7, 64}) {
      for (const Fill how : fills) {
        const int stride = columns + 3;
        Guarded<std::int16_t> in(static_cast<std::size_t>(rows) * stride - 3, 2);
        fill(in, how, -32768, 32767, random);
        std::vector<double> expected(static_cast<std::size_t>(columns));
        for (int i = 0; i < rows; ++i) {
          for (int j = 0; j < columns; ++j) expected[j] += in[i * stride + j];
        }
        for (const auto& [isa, table] : available_tables()) {
          CAPTURE(isa, columns, rows);
          Guarded<std::int32_t> out(columns, 4);
          table.column_sum({.rows = rows, .columns = columns, .in = in.data(), .stride = stride, .out = out.data()});
          REQUIRE((std::vector<double>(out.begin(), out.end()) == expected));
          REQUIRE((in.intact() && out.intact()));
        }
      }
    }
  }
}

}  // namespace octavo::test
