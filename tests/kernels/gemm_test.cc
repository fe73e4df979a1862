// GEMM kernels: the scalar ones against independent formulas, the others against the scalar ones.
#include "kernels/kernels.h"
#include "tests/kernels/kernel_support.h"
#include "tests/support/support.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::kernels;

int round_up(int value, int step) { return (value + step - 1) / step * step; }
double clamp(double value, double low, double high) { return std::min(std::max(value, low), high); }

struct Shape {
  int rows, columns, depth;
};

// The inputs of one product, in guarded memory.
struct Problem {
  explicit Problem(Shape shape)
      : a(static_cast<size_t>(round_up(shape.rows, 16)) * shape.depth),
        b(static_cast<size_t>(shape.columns) * shape.depth),
        bias(shape.columns, 4),
        multiplier(shape.columns, 4),
        gemm{.rows = shape.rows,
             .columns = shape.columns,
             .depth = shape.depth,
             .a = a.data(),
             .b = b.data(),
             .bias = bias.data(),
             .multiplier = multiplier.data(),
             .shift = 33} {
    std::mt19937_64 unused;
    fill(a, Fill::zero, 0, 0, unused);
    fill(b, Fill::zero, 0, 0, unused);
    fill(bias, Fill::zero, 0, 0, unused);
    fill(multiplier, Fill::zero, 0, 0, unused);
  }
  uint8_t& activation(int row, int k) {
    return a[static_cast<size_t>(row / 16 * (gemm.depth / 64) + k / 64) * 1024 + row % 16 * 64 + k % 64];
  }
  int8_t& weight(int column, int k) { return b[packed_index(column, k, gemm.depth)]; }

  Guarded<uint8_t> a;
  Guarded<int8_t> b;
  Guarded<int32_t> bias, multiplier;
  Gemm gemm;
};

// A product of zeros, so that column j's accumulator is accumulators[j] in every row; as many columns as whole panels
// need. With multiplier 2^30 and shift 33, r = round(accumulator / 8), halves up.
Problem constant_problem(const std::vector<int32_t>& accumulators, int rows = 1) {
  Problem problem({rows, round_up(static_cast<int>(accumulators.size()), 32), 64});
  for (int32_t& m : problem.multiplier) m = 1 << 30;
  std::copy(accumulators.begin(), accumulators.end(), problem.bias.begin());
  return problem;
}

ByteMatrix tile_order(uint8_t* data, int columns) { return {data, round_up(columns, 64) / 64 * 1024, 64, 1024}; }
ByteMatrix row_major(uint8_t* data, int stride) { return {data, 16 * stride, stride, 64}; }
uint8_t at(const ByteMatrix& m, int row, int column) {
  return m.data[row / 16 * m.tile_stride + row % 16 * m.row_stride + column / 64 * m.chunk_stride + column % 64];
}

// The first row of gemm_to_bytes on r = 0, 1/8, ... of a constant problem.
std::vector<int> bytes_of(const KernelTable& table, const std::vector<int32_t>& accumulators, int32_t zero_point,
                          int32_t low, int32_t high) {
  const Problem problem = constant_problem(accumulators);
  Guarded<uint8_t> out(16 * static_cast<size_t>(problem.gemm.columns));
  table.gemm_to_bytes(problem.gemm, {zero_point, low, high, row_major(out.data(), problem.gemm.columns)});
  return {out.begin(), out.begin() + accumulators.size()};
}

std::vector<int> add_to_stream_of(const KernelTable& table, const std::vector<int32_t>& accumulators, int16_t stream) {
  const Problem problem = constant_problem(accumulators);
  Guarded<int16_t> out(16 * static_cast<size_t>(problem.gemm.columns));
  for (int16_t& value : out) value = stream;
  table.gemm_add_to_stream(problem.gemm, {out.data(), problem.gemm.columns});
  return {out.begin(), out.begin() + accumulators.size()};
}

// The requantization rule in 64-bit floating point mantissas: exact, because every intermediate has less than 64 bits.
long double requantized(int64_t accumulator, int64_t multiplier, int shift) {
  return std::floor(std::ldexp(static_cast<long double>(accumulator * multiplier), -shift) + 0.5L);
}

void randomize(Problem& problem, std::mt19937_64& random) {
  fill(problem.a, Fill::random, 0, 255, random);
  fill(problem.b, Fill::random, -128, 127, random);
  fill(problem.bias, Fill::random, -3000000, 3000000, random);
  fill(problem.multiplier, Fill::random, 0, std::numeric_limits<int32_t>::max(), random);
}

// The accumulators of a random problem, by the definition over logical indices.
std::vector<int64_t> accumulators_of(Problem& problem) {
  std::vector<int64_t> sums;
  for (int i = 0; i < problem.gemm.rows; ++i) {
    for (int j = 0; j < problem.gemm.columns; ++j) {
      int64_t sum = problem.bias[j];
      for (int k = 0; k < problem.gemm.depth; ++k) sum += int64_t{problem.activation(i, k)} * problem.weight(j, k);
      sums.push_back(sum);
    }
  }
  return sums;
}

// GELU's constants as the quantizer builds them from the output encoding, and the function they approximate.
struct GeluConstants {
  GeluConstants(double scale, int zero_point) : scale(scale), zero_point(zero_point) {
    fraction_bits = std::min(6, static_cast<int>(std::floor(std::log2(8191 * scale))));
    step = std::ldexp(scale, -fraction_bits);
    limit = static_cast<int>(std::min(std::floor(4 / step) + 1, 32768.0));
    normalize = 16 - static_cast<int>(std::floor(std::log2(limit)) + 1);
    inverse = static_cast<int>(std::lround(std::ldexp(step / 4, 31 - normalize)));
    const int constant = zero_point * (1 << fraction_bits) + (1 << fraction_bits) / 2;
    for (int cell = 0; cell < 32; ++cell) {
      base[cell] = static_cast<int16_t>(std::lround(deviation(cell) / step) + constant);
      slope[cell] = static_cast<int16_t>(std::lround((deviation(cell + 1) - deviation(cell)) / step));
    }
  }
  static double exact(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }
  static double deviation(int cell) { return cell == 32 ? 0 : exact(cell / 8.0) - cell / 8.0; }

  double scale, step;
  int zero_point, fraction_bits, limit, normalize, inverse;
  alignas(64) int16_t base[32], slope[32];
};

// GELU codes of every 16-bit x, column x + 32768, with one offset for all columns.
struct GeluCodes {
  std::vector<int> out, fine;
};
GeluCodes gelu_codes(const KernelTable& table, const GeluConstants& constants, int offset, int fine_bits = 0) {
  std::vector<int32_t> inputs;
  for (int x = -32768; x <= 32767; ++x) inputs.push_back(x * 8);
  const Problem problem = constant_problem(inputs);
  const std::vector<int16_t> offsets(inputs.size(), static_cast<int16_t>(offset));
  Guarded<uint8_t> out(16 * inputs.size()), fine(16 * inputs.size());
  table.gemm_gelu(problem.gemm, {.fraction_bits = constants.fraction_bits,
                                 .limit = static_cast<uint16_t>(constants.limit),
                                 .normalize = constants.normalize,
                                 .inverse = static_cast<uint16_t>(constants.inverse),
                                 .base = constants.base,
                                 .slope = constants.slope,
                                 .offset = offsets.data(),
                                 .out = row_major(out.data(), problem.gemm.columns),
                                 .fine_bits = fine_bits,
                                 .fine = row_major(fine.data(), problem.gemm.columns)});
  return {{out.begin(), out.begin() + inputs.size()}, {fine.begin(), fine.begin() + inputs.size()}};
}

}  // namespace

TEST_CASE("an accumulator is the bias plus the products of one row and one column") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    Problem problem({2, 32, 64});
    for (int j = 0; j < 32; ++j) {
      problem.bias[j] = 1000 * j;
      problem.weight(j, 0) = 1;
      problem.weight(j, 1) = -1;
      problem.weight(j, 63) = static_cast<int8_t>(j - 16);
    }
    problem.activation(0, 0) = 7, problem.activation(0, 1) = 255, problem.activation(0, 63) = 3;
    problem.activation(1, 63) = 200;
    Guarded<int32_t> out(16 * 32);
    table.gemm_to_accumulators(problem.gemm, {out.data(), 32});
    REQUIRE(out[0] == 7 - 255 - 48);
    REQUIRE(out[31] == 31000 + 7 - 255 + 45);
    REQUIRE(out[32 + 0] == 200 * -16);
    REQUIRE(out[32 + 31] == 31000 + 200 * 15);
  }
}

TEST_CASE("weights are read where packed_index() puts them, activations in tile order") {
  std::mt19937_64 random(11);
  for (const Shape shape : {Shape{3, 32, 64}, Shape{17, 64, 128}, Shape{33, 96, 320}}) {
    Problem problem(shape);
    randomize(problem, random);
    Guarded<int32_t> out(static_cast<size_t>(round_up(shape.rows, 16)) * shape.columns);
    table_for(Isa::scalar).gemm_to_accumulators(problem.gemm, {out.data(), shape.columns});
    const std::vector<int64_t> expected = accumulators_of(problem);
    REQUIRE(std::vector<int64_t>(out.begin(), out.begin() + expected.size()) == expected);
  }
}

TEST_CASE("extreme activations and weights do not saturate inside the product") {
  for (const auto& [isa, table] : available_tables()) {
    for (const int weight : {-128, -127, 127}) {
      INFO(isa << ", weight " << weight);
      Problem problem({9, 32, 768});
      for (uint8_t& value : problem.a) value = 255;
      for (int8_t& value : problem.b) value = static_cast<int8_t>(weight);
      Guarded<int32_t> out(16 * 32);
      table.gemm_to_accumulators(problem.gemm, {out.data(), 32});
      REQUIRE(std::all_of(out.begin(), out.begin() + 9 * 32, [&](int32_t v) { return v == 768 * 255 * weight; }));
    }
  }
}

TEST_CASE("requantization rounds halves up, once") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    const std::vector<int32_t> eighths = {0, 3, 4, 11, 12, -3, -4, -5, -12, -13};
    REQUIRE(bytes_of(table, eighths, 100, 0, 255) == std::vector<int>{100, 100, 101, 101, 102, 100, 100, 99, 99, 98});
  }
}

TEST_CASE("bytes are clamped to [low, high] after the zero point, far outside too") {
  const int32_t far = std::numeric_limits<int32_t>::max();
  const std::vector<int32_t> values = {8 * 500,  -8 * 500, 8 * 126,  8 * 127, 8 * 128,
                                       -8 * 126, -8 * 127, -8 * 128, far,     -far};
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    REQUIRE(bytes_of(table, values, 128, 0, 255) == std::vector<int>{255, 0, 254, 255, 255, 2, 1, 0, 255, 0});
    const std::vector<int> symmetric = {127, 256 - 127, 126, 127, 127, 256 - 126, 256 - 127, 256 - 127, 127, 256 - 127};
    REQUIRE(bytes_of(table, values, 0, -127, 127) == symmetric);
    REQUIRE(bytes_of(table, values, 40, 40, 255) == std::vector<int>{255, 40, 166, 167, 168, 40, 40, 40, 255, 40});
  }
}

TEST_CASE("a result is saturated to 16 bits before it joins the stream, and the sum again") {
  const std::vector<int32_t> values = {8 * 5, 8 * 40000, -8 * 40000, std::numeric_limits<int32_t>::max()};
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    REQUIRE(add_to_stream_of(table, values, -10000) == std::vector<int>{-9995, 22767, -32768, 22767});
    REQUIRE(add_to_stream_of(table, values, 10000) == std::vector<int>{10005, 32767, -22768, 32767});
  }
}

TEST_CASE("the scalar epilogues are their formulas") {
  std::mt19937_64 random(12);
  const KernelTable table = table_for(Isa::scalar);
  Problem problem({18, 64, 128});
  randomize(problem, random);
  const int columns = 64, count = 18 * columns;
  const std::vector<int64_t> accumulators = accumulators_of(problem);
  for (int shift = 33; shift <= 62; ++shift) {
    INFO("shift " << shift);
    problem.gemm.shift = shift;
    std::vector<long double> r;
    for (int i = 0; i < count; ++i) r.push_back(requantized(accumulators[i], problem.multiplier[i % columns], shift));

    Guarded<uint8_t> bytes(32 * columns);
    const ByteMatrix out = tile_order(bytes.data(), columns);
    table.gemm_to_bytes(problem.gemm, {77, 3, 250, out});
    Guarded<int16_t> shorts(32 * columns), stream(32 * columns), stream8(32 * columns);
    table.gemm_to_shorts(problem.gemm, {-300, shorts.data(), columns});
    fill(stream, Fill::random, -32768, 32767, random);
    fill(stream8, Fill::random, -255, 255, random);
    const std::vector<int16_t> before(stream.begin(), stream.end()), before8(stream8.begin(), stream8.end());
    table.gemm_add_to_stream(problem.gemm, {stream.data(), columns});
    table.gemm_add_to_stream8(problem.gemm, {77, 1500000, -3000000, -90, 165, stream8.data(), columns});

    int different = 0;
    for (int i = 0; i < count; ++i) {
      const double value = static_cast<double>(r[i]), code = clamp(value + 77, 0, 255) - 77;
      const double sum8 = std::floor(std::ldexp(code * 1500000 - before8[i] * 3000000.0, -20) + 0.5);
      different += at(out, i / columns, i % columns) != clamp(value + 77, 3, 250);
      different += shorts[i] != clamp(value - 300, -32768, 32767);
      different += stream[i] != clamp(clamp(value, -32768, 32767) + before[i], -32768, 32767);
      different += stream8[i] != clamp(sum8, -90, 165);
    }
    REQUIRE(different == 0);
  }
}

TEST_CASE("the pieces of GELU stay within 0.9 of a step of the exact function") {
  struct Encoding {
    double scale;
    int zero_point;
  };
  for (const auto& [scale, zero_point] :
       {Encoding{4.97 / 255, 9}, Encoding{1.2 / 255, 36}, Encoding{25.0 / 255, 2}, Encoding{13.2 / 255, 3}}) {
    const GeluConstants constants(scale, zero_point);
    for (const auto& [isa, table] : available_tables()) {
      const std::vector<int> codes = gelu_codes(table, constants, 0).out;
      double worst = 0;
      for (int x = -32768; x <= 32767; ++x) {
        const double exact = clamp(GeluConstants::exact(x * constants.step) / scale + zero_point, 0, 255);
        worst = std::max(worst, std::abs(codes[x + 32768] - exact));
      }
      INFO(isa << ", scale " << scale);
      REQUIRE(worst <= 0.9);
    }
  }
}

TEST_CASE("codes of saturating GELU copies add up to one wide code") {
  const GeluConstants constants(4.8 / 255, 0);
  for (const auto& [isa, table] : available_tables()) {
    const std::vector<int> first = gelu_codes(table, constants, 0).out;
    const std::vector<int> second = gelu_codes(table, constants, -255 * (1 << constants.fraction_bits)).out;
    double worst = 0;
    for (int x = -32768; x <= 32767; ++x) {
      const double exact = clamp(GeluConstants::exact(x * constants.step) / constants.scale, 0, 510);
      worst = std::max(worst, std::abs(first[x + 32768] + second[x + 32768] - exact));
    }
    INFO(isa);
    REQUIRE(worst <= 0.9);
  }
}

TEST_CASE("fine codes of GELU are what a code eight times as fine has more, in every copy") {
  GeluConstants constants(4.8 / 255, 9);
  const int half_code = (1 << constants.fraction_bits) / 2, half_fine = half_code / 8;
  for (int16_t& base : constants.base)
    base = static_cast<int16_t>(base - half_code + half_fine);  // codes are floors here
  for (const auto& [isa, table] : available_tables()) {
    const GeluCodes first = gelu_codes(table, constants, 0, 3);
    const GeluCodes second = gelu_codes(table, constants, -255 * (1 << constants.fraction_bits), 3);
    double worst = 0;
    for (int x = -32768; x <= 32767; ++x) {
      const size_t i = static_cast<size_t>(x + 32768);
      const double exact = clamp(8 * (GeluConstants::exact(x * constants.step) / constants.scale + 9), 0, 8 * 510);
      worst = std::max(worst, std::abs(8 * (first.out[i] + second.out[i]) + first.fine[i] + second.fine[i] - exact));
    }
    INFO(isa);
    REQUIRE(worst <= 2.0);  // steps of an eighth; the pieces of GELU are not finer
  }
}

namespace {

// Runs one epilogue with every instruction set on copies of `initial` and compares the elements of real rows.
// run(table, data) does the product; row_of(index) is the row an element belongs to.
template <class T, class Run, class RowOf>
void require_same_bits(const Problem& problem, const std::vector<T>& initial, Run run, RowOf row_of) {
  std::vector<T> expected;
  for (const auto& [isa, table] : available_tables()) {
    Guarded<T> actual(initial.size(), sizeof(T));
    std::copy(initial.begin(), initial.end(), actual.begin());
    run(table, actual.data());
    INFO(isa);
    REQUIRE(actual.intact());
    if (expected.empty()) expected.assign(actual.begin(), actual.end());
    size_t different = 0;
    for (size_t i = 0; i < expected.size(); ++i) {
      different += row_of(i) < problem.gemm.rows && expected[i] != actual[i];
    }
    REQUIRE(different == 0);
  }
}

template <class T>
std::vector<T> random_values(size_t count, int64_t low, int64_t high, std::mt19937_64& random) {
  std::vector<T> values(count);
  fill(values, Fill::random, low, high, random);
  return values;
}

// Both orders of a byte matrix, holding random bytes that no kernel but for its own columns may change.
template <class Run>
void require_same_bytes(const Problem& problem, Run run, std::mt19937_64& random) {
  const int columns = problem.gemm.columns, rows = round_up(problem.gemm.rows, 16);
  {
    INFO("tile order");
    const size_t tile = static_cast<size_t>(round_up(columns, 64)) * 16;
    require_same_bits<uint8_t>(
        problem, random_values<uint8_t>(rows / 16 * tile, 0, 255, random),
        [&](const KernelTable& table, uint8_t* data) { run(table, tile_order(data, columns)); },
        [&](size_t i) { return static_cast<int>(i / tile * 16 + i % 1024 / 64); });
  }
  INFO("row-major order");
  const int stride = columns + 32;
  require_same_bits<uint8_t>(
      problem, random_values<uint8_t>(static_cast<size_t>(rows - 1) * stride + columns, 0, 255, random),
      [&](const KernelTable& table, uint8_t* data) { run(table, row_major(data, stride)); },
      [&](size_t i) { return static_cast<int>(i / stride); });
}

void require_same_gelu(const Problem& problem, std::mt19937_64& random) {
  const auto within = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const int normalize = within(0, 15), limit = within(1, std::min(32768, (65535 >> normalize)));
  alignas(64) int16_t base[32], slope[32];
  fill(base, Fill::random, -24000, 24000, random);
  fill(slope, Fill::random, -8000, 8000, random);
  Guarded<int16_t> offset(problem.gemm.columns, 2);
  fill(offset, Fill::random, -32768, 0, random);
  const int fraction_bits = within(0, 6);
  const Gelu gelu = {.fraction_bits = fraction_bits,
                     .limit = static_cast<uint16_t>(limit),
                     .normalize = normalize,
                     .inverse = static_cast<uint16_t>(within(0, 65535)),
                     .base = base,
                     .slope = slope,
                     .offset = offset.data(),
                     .out = {},
                     .fine_bits = within(0, fraction_bits)};
  const auto run = [&](const KernelTable& table, const ByteMatrix& out) {
    Gelu to = gelu;
    to.out = out;
    to.fine_bits = 0;
    table.gemm_gelu(problem.gemm, to);
  };
  require_same_bytes(problem, run, random);
  if (gelu.fine_bits == 0) return;
  INFO("fine codes");
  const size_t rows = round_up(problem.gemm.rows, 16), columns = problem.gemm.columns;
  std::vector<uint8_t> codes(rows * columns);
  const auto run_fine = [&](const KernelTable& table, const ByteMatrix& fine) {
    Gelu to = gelu;
    to.out = row_major(codes.data(), problem.gemm.columns);
    to.fine = fine;
    table.gemm_gelu(problem.gemm, to);
  };
  require_same_bytes(problem, run_fine, random);
}

// All six products of one problem, with random constants within the contract.
void require_same_products(const Problem& problem, std::mt19937_64& random) {
  const Gemm& gemm = problem.gemm;
  const int zero_point = static_cast<int>(random() % 256), stride = gemm.columns + 5;
  const size_t size = static_cast<size_t>(round_up(gemm.rows, 16) - 1) * stride + gemm.columns;
  const auto row_of = [&](size_t i) { return static_cast<int>(i / stride); };

  INFO("zero point " << zero_point);
  for (const auto& [zero, low, high] :
       {std::array{zero_point, 0, 255}, {0, -127, 127}, {zero_point, zero_point, 255}}) {
    const auto run = [&, zero = zero, low = low, high = high](const KernelTable& table, const ByteMatrix& out) {
      table.gemm_to_bytes(gemm, {zero, low, high, out});
    };
    require_same_bytes(problem, run, random);
  }
  require_same_gelu(problem, random);
  require_same_bits<int16_t>(
      problem, random_values<int16_t>(size, -32768, 32767, random),
      [&](const KernelTable& table, int16_t* data) {
        table.gemm_add_to_stream(gemm, {data, stride});
      },
      row_of);
  const int limit = 1 << 22;
  const auto multipliers = random_values<int32_t>(2, -limit, limit, random);
  require_same_bits<int16_t>(
      problem, random_values<int16_t>(size, -255, 255, random),
      [&](const KernelTable& table, int16_t* data) {
        const int low = -zero_point, high = 255 - zero_point;
        table.gemm_add_to_stream8(gemm, {zero_point, multipliers[0], multipliers[1], low, high, data, stride});
      },
      row_of);
  require_same_bits<int16_t>(
      problem, random_values<int16_t>(size, 0, 0, random),
      [&](const KernelTable& table, int16_t* data) {
        table.gemm_to_shorts(gemm, {zero_point - 128, data, stride});
      },
      row_of);
  require_same_bits<int32_t>(
      problem, random_values<int32_t>(size, 0, 0, random),
      [&](const KernelTable& table, int32_t* data) {
        table.gemm_to_accumulators(gemm, {data, stride});
      },
      row_of);
}

struct Inputs {
  Fill a, b;
  int lowest_weight;
  Fill bias;
};

void require_same_products(Shape shape, Inputs inputs, int shift, std::mt19937_64& random) {
  INFO("rows " << shape.rows << ", columns " << shape.columns << ", depth " << shape.depth << ", shift " << shift);
  INFO("fills " << static_cast<int>(inputs.a) << ", " << static_cast<int>(inputs.b) << " from " << inputs.lowest_weight
                << ", " << static_cast<int>(inputs.bias));
  Problem problem(shape);
  problem.gemm.shift = shift;
  fill(problem.a, inputs.a, 0, 255, random);
  fill(problem.b, inputs.b, inputs.lowest_weight, 127, random);
  const int64_t bound = inputs.bias == Fill::random ? 2000000 : int64_t{1} << 30;
  fill(problem.bias, inputs.bias, -bound, bound, random);
  const Fill multipliers = inputs.bias == Fill::random ? Fill::random : Fill::extremes;
  fill(problem.multiplier, multipliers, 0, std::numeric_limits<int32_t>::max(), random);
  require_same_products(problem, random);
}

const std::vector<Inputs> kInputs = {
    {Fill::random, Fill::random, -128, Fill::random},      {Fill::zero, Fill::random, -128, Fill::extremes},
    {Fill::highest, Fill::extremes, -127, Fill::random},   {Fill::highest, Fill::lowest, -128, Fill::lowest},
    {Fill::highest, Fill::highest, -127, Fill::highest},   {Fill::highest, Fill::lowest, -127, Fill::random},
    {Fill::extremes, Fill::extremes, -128, Fill::extremes}};

}  // namespace

TEST_CASE("every instruction set gives the scalar products bit for bit, at all shapes") {
  std::mt19937_64 random(13);
  size_t turn = 0;
  for (const int rows : {1, 2, 3, 7, 8, 9, 13, 15, 16, 17, 33}) {
    for (const int columns : {32, 64, 96}) {
      for (const int depth : {64, 128, 320, 1536}) {
        const int shift = 33 + static_cast<int>(random() % 16);
        require_same_products({rows, columns, depth}, kInputs[0], shift, random);
        require_same_products({rows, columns, depth}, kInputs[1 + turn++ % (kInputs.size() - 1)], shift, random);
      }
    }
  }
}

TEST_CASE("every instruction set gives the scalar products bit for bit, at the greatest depths") {
  std::mt19937_64 random(15);
  for (const Shape& shape : {Shape{70, 96, 16384}, Shape{40, 32, 32768}})
    require_same_products(shape, kInputs[0], 41, random);
}

TEST_CASE("every instruction set gives the scalar products bit for bit, of more rows than stay in a cache") {
  std::mt19937_64 random(16);
  for (const Shape& shape : {Shape{800, 64, 1024}, Shape{150, 96, 1088}, Shape{1700, 32, 512}}) {
    require_same_products(shape, kInputs[0], 41, random);
  }
}

TEST_CASE("every instruction set gives the scalar products bit for bit, at all shifts and extremes") {
  std::mt19937_64 random(14);
  for (int shift = 33; shift <= 62; ++shift) {
    for (const Inputs& inputs : kInputs) require_same_products({11, 64, 192}, inputs, shift, random);
  }
}

}  // namespace octavo::test
