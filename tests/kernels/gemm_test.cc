// GEMM kernels against independent formulas.
#include "base/fixed_point.h"
#include "kernels/kernels.h"
#include "quantize/quantized_tables.h"
#include "system/gemm_problem.h"
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
using namespace octavo::problems;

double clamp(double value, double low, double high) { return std::min(std::max(value, low), high); }

// A product of zeros, so that column j's accumulator is accumulators[j] in every row; as many columns as whole panels
// need. With multiplier 2^30 and shift 33, r = round(accumulator / 8), halves up.
GemmProblem constant_problem(const std::vector<int32_t>& accumulators, int rows = 1) {
  GemmProblem problem({rows, round_up(static_cast<int>(accumulators.size()), 32), 64});
  for (int32_t& m : problem.multiplier) m = 1 << 30;
  std::copy(accumulators.begin(), accumulators.end(), problem.bias.begin());
  return problem;
}

ByteMatrix tile_order(uint8_t* data, int columns) { return {data, round_up(columns, 64) / 64 * 1024, 64, 1024}; }
ByteMatrix row_major(uint8_t* data, int stride) { return {data, 16 * stride, stride, 64}; }
uint8_t at(const ByteMatrix& m, int row, int column) {
  return m.data[row / 16 * m.tile_stride + row % 16 * m.row_stride + column / 64 * m.chunk_stride + column % 64];
}

// The first row of gemm_to_u8 on r = 0, 1/8, ... of a constant problem.
std::vector<int> bytes_of(const KernelTable& table, const std::vector<int32_t>& accumulators, int32_t zero_point,
                          int32_t low, int32_t high) {
  const GemmProblem problem = constant_problem(accumulators);
  Guarded<uint8_t> out(16 * static_cast<size_t>(problem.gemm.columns));
  table.gemm_to_u8(problem.gemm, {zero_point, low, high, row_major(out.data(), problem.gemm.columns)});
  return {out.begin(), out.begin() + accumulators.size()};
}

std::vector<int> add_to_stream_of(const KernelTable& table, const std::vector<int32_t>& accumulators, int16_t stream) {
  const GemmProblem problem = constant_problem(accumulators);
  Guarded<int16_t> out(16 * static_cast<size_t>(problem.gemm.columns));
  for (int16_t& value : out) value = stream;
  table.gemm_add_to_s16(problem.gemm, {out.data(), problem.gemm.columns});
  return {out.begin(), out.begin() + accumulators.size()};
}

// The requantization rule in 64-bit floating point mantissas: exact, because every intermediate has less than 64 bits.
long double requantized(int64_t accumulator, int64_t multiplier, int shift) {
  return std::floor(std::ldexp(static_cast<long double>(accumulator * multiplier), -shift) + 0.5L);
}

void randomize(GemmProblem& problem, Random& random) {
  fill(problem.a, Fill::uniform, 0, 255, random);
  fill(problem.b, Fill::uniform, -128, 127, random);
  fill(problem.bias, Fill::uniform, -3000000, 3000000, random);
  fill(problem.multiplier, Fill::uniform, 0, std::numeric_limits<int32_t>::max(), random);
}

// The accumulators of a random problem, by the definition over logical indices.
std::vector<int64_t> accumulators_of(GemmProblem& problem) {
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
GeluCodes gelu_codes(const KernelTable& table, Gelu gelu, int offset) {
  std::vector<int32_t> inputs;
  for (int x = -32768; x <= 32767; ++x) inputs.push_back(x * 8);
  const GemmProblem problem = constant_problem(inputs);
  const std::vector<int16_t> offsets(inputs.size(), static_cast<int16_t>(offset));
  Guarded<uint8_t> out(16 * inputs.size()), fine(16 * inputs.size());
  gelu.offset = offsets.data();
  gelu.out = row_major(out.data(), problem.gemm.columns);
  gelu.fine = row_major(fine.data(), problem.gemm.columns);
  table.gemm_gelu(problem.gemm, gelu);
  return {{out.begin(), out.begin() + inputs.size()}, {fine.begin(), fine.begin() + inputs.size()}};
}
GeluCodes gelu_codes(const KernelTable& table, const GeluConstants& constants, int offset, int fine_bits = 0) {
  return gelu_codes(table,
                    {.fraction_bits = constants.fraction_bits,
                     .limit = static_cast<uint16_t>(constants.limit),
                     .normalize = constants.normalize,
                     .inverse = static_cast<uint16_t>(constants.inverse),
                     .base = constants.base,
                     .slope = constants.slope,
                     .offset = nullptr,
                     .out = {},
                     .fine_bits = fine_bits},
                    offset);
}

}  // namespace

TEST_CASE("weights of 4 bits are codes less 8, times the multiplier of their column and 32 steps of depth") {
  Random random(18);
  GemmProblem problem({17, 64, 192});
  randomize(problem, random);
  problem.use_four_bits();
  for (int j = 0; j < 64; ++j) {
    for (int group = 0; group < 6; ++group) {
      // By the words of the layout: panels of 32 columns, groups of 32 steps, rows of 64 bytes for four steps.
      const int multiplier = random.integer(-15, 16);
      (*problem.group_multiplier)[static_cast<std::size_t>((j / 32 * 6 + group) * 32 + j % 32)] =
          static_cast<int8_t>(multiplier);
      for (int k = 32 * group; k < 32 * group + 32; ++k) {
        const int code = random.integer(0, 15),
                  byte = (j / 32 * 48 + k / 4) * 64 + j % 32 / 16 * 32 + j % 8 * 4 + k % 4;
        uint8_t& both = (*problem.codes)[static_cast<std::size_t>(byte)];
        both = static_cast<uint8_t>(j % 16 < 8 ? (both & 0xf0) | code : (both & 0x0f) | code << 4);
        problem.weight(j, k) = static_cast<int8_t>((code - 8) * multiplier);
      }
    }
  }
  for (const NamedTable& named : available_tables()) {
    INFO(named.isa);
    for (const int rows : {1, 2, 3, 4, 17}) {
      Guarded<int32_t> out(32 * 64);
      problem.gemm.rows = rows;
      named.table.gemm_to_s32(problem.gemm, {out.data(), 64});
      const std::vector<int64_t> exact = accumulators_of(problem);
      CHECK(std::equal(exact.begin(), exact.end(), out.begin()));
    }
  }
}

TEST_CASE("an accumulator is the bias plus the products of one row and one column") {
  for (const auto& [isa, table] : available_tables()) {
    INFO(isa);
    GemmProblem problem({2, 32, 64});
    for (int j = 0; j < 32; ++j) {
      problem.bias[j] = 1000 * j;
      problem.weight(j, 0) = 1;
      problem.weight(j, 1) = -1;
      problem.weight(j, 63) = static_cast<int8_t>(j - 16);
    }
    problem.activation(0, 0) = 7, problem.activation(0, 1) = 255, problem.activation(0, 63) = 3;
    problem.activation(1, 63) = 200;
    Guarded<int32_t> out(16 * 32);
    table.gemm_to_s32(problem.gemm, {out.data(), 32});
    REQUIRE(out[0] == 7 - 255 - 48);
    REQUIRE(out[31] == 31000 + 7 - 255 + 45);
    REQUIRE(out[32 + 0] == 200 * -16);
    REQUIRE(out[32 + 31] == 31000 + 200 * 15);
  }
}

TEST_CASE("weights are read where packed_index() puts them, activations in tile order") {
  Random random(11);
  for (const GemmShape shape : {GemmShape{3, 32, 64}, GemmShape{17, 64, 128}, GemmShape{33, 96, 320}}) {
    GemmProblem problem(shape);
    randomize(problem, random);
    Guarded<int32_t> out(static_cast<size_t>(round_up(shape.rows, 16)) * shape.columns);
    scalar_table().gemm_to_s32(problem.gemm, {out.data(), shape.columns});
    const std::vector<int64_t> expected = accumulators_of(problem);
    REQUIRE(std::vector<int64_t>(out.begin(), out.begin() + expected.size()) == expected);
  }
}

TEST_CASE("extreme activations and weights do not saturate inside the product") {
  for (const auto& [isa, table] : available_tables()) {
    for (const int weight : {-128, -127, 127}) {
      INFO(isa << ", weight " << weight);
      GemmProblem problem({9, 32, 768});
      for (uint8_t& value : problem.a) value = 255;
      for (int8_t& value : problem.b) value = static_cast<int8_t>(weight);
      Guarded<int32_t> out(16 * 32);
      table.gemm_to_s32(problem.gemm, {out.data(), 32});
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
  Random random(12);
  const KernelTable table = scalar_table();
  GemmProblem problem({18, 64, 128});
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
    table.gemm_to_u8(problem.gemm, {77, 3, 250, out});
    Guarded<int16_t> shorts(32 * columns), stream(32 * columns), stream8(32 * columns);
    table.gemm_to_s16(problem.gemm, {-300, shorts.data(), columns});
    fill(stream, Fill::uniform, -32768, 32767, random);
    fill(stream8, Fill::uniform, -255, 255, random);
    const std::vector<int16_t> before(stream.begin(), stream.end()), before8(stream8.begin(), stream8.end());
    table.gemm_add_to_s16(problem.gemm, {stream.data(), columns});
    table.gemm_add_to_u8(problem.gemm, {77, 1500000, -3000000, -90, 165, stream8.data(), columns});

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

TEST_CASE("the pieces that are made for other activations stay as close to the function as those of GELU") {
  using Function = double (*)(double);
  const auto close = [](Activation activation, Function exact) {
    for (const double high : {1.2, 4.9, 13.2}) {
      const Quantizer out = asymmetric_u8(-0.28f, static_cast<float>(high));
      const auto made = octavo::gelu_constants(activation, out, {}, 32);
      const GeluCodes codes = gelu_codes(scalar_table(),
                                         {.fraction_bits = made.fraction_bits,
                                          .limit = static_cast<uint16_t>(made.limit),
                                          .normalize = made.normalize,
                                          .inverse = static_cast<uint16_t>(made.inverse),
                                          .base = made.base.as<int16_t>().data(),
                                          .slope = made.slope.as<int16_t>().data(),
                                          .offset = nullptr,
                                          .out = {}},
                                         0);
      double worst = 0;
      for (int x = -32768; x <= 32767; ++x) {
        const double code = clamp(exact(x * made.step) / out.scale + out.zero_point, 0, 255);
        worst = std::max(worst, std::abs(codes.out[x + 32768] - code));
      }
      INFO("activation " << static_cast<int>(activation) << " up to " << high);
      CHECK(worst <= 0.9);
    }
  };
  close(Activation::gelu_new,
        [](double x) { return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * std::pow(x, 3)))); });
  close(Activation::quick_gelu, [](double x) { return x / (1 + std::exp(-1.702 * x)); });
  close(Activation::silu, [](double x) { return x / (1 + std::exp(-x)); });
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

}  // namespace octavo::test
