// The small kernels on rows against formulas in double, and every instruction set against the scalar ones.
#include "kernels/kernels.h"
#include "tests/kernels/kernel_support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::kernels;
using namespace octavo::problems;

constexpr int kMostS32 = std::numeric_limits<std::int32_t>::max();

template <class T>
std::vector<T> uniform(int count, std::int64_t low, std::int64_t high, Random& random) {
  std::vector<T> values(static_cast<std::size_t>(count));
  fill(values, Fill::uniform, low, high, random);
  return values;
}

// round(value * multiplier * 2^-shift), halves up; exact in the 64 bits of a long double's mantissa.
long double scaled(std::int64_t value, std::int64_t multiplier, int shift) {
  return std::floor(std::ldexp(static_cast<long double>(value) * static_cast<long double>(multiplier), -shift) + 0.5L);
}

// A byte matrix in tile order, and its elements.
struct Tiles {
  Tiles(int rows, int columns)
      : depth(round_up(columns, 64)), data(elements(round_up(rows, 16), depth), std::uint8_t{0xA5}) {}
  ByteMatrix matrix() { return {data.data(), std::ptrdiff_t{16} * depth, 64, 1024}; }
  int at(int row, int column) const {
    return data[elements(row / 16, 16 * depth) + elements(column / 64, 1024) +
                static_cast<std::size_t>(row % 16 * 64 + column % 64)];
  }
  int depth;
  std::vector<std::uint8_t> data;
};

TEST_CASE("Gates are sigmoids in Q15, and softplus in Q12 up to 8", "[kernels]") {
  std::vector<int16_t> in(65536), out(65536);
  std::iota(in.begin(), in.end(), int16_t{-32768});
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    for (const GateFunction function : {GateFunction::sigmoid, GateFunction::softplus}) {
      named.table.activate_gates(
          {.rows = 1, .columns = 65536, .function = function, .in = in.data(), .out = out.data(), .stride = 65536});
      double worst = 0;
      for (size_t i = 0; i < in.size(); ++i) {
        const double x = in[i] / 2048.0;
        const double gate = function == GateFunction::sigmoid ? 32768 / (1 + std::exp(-x))
                                                              : std::min(4096 * std::log1p(std::exp(x)), 32767.0);
        worst = std::max(worst, std::abs(out[i] - gate));
      }
      CHECK(worst < 13);
    }
  }
}

}  // namespace

TEST_CASE("an s16 row and its two rows of codes stand for the same numbers") {
  std::vector<std::int16_t> in;
  for (int x = -32768; x <= 32767; ++x) in.push_back(static_cast<std::int16_t>(x));
  Tiles out(4, 32768);
  scalar_table().split_s16({.rows = 2, .columns = 32768, .in = in.data(), .stride = 32768, .out = out.matrix()});
  int different = 0;
  for (int x = -32768; x <= 32767; ++x) {
    const int row = (x + 32768) / 32768, column = (x + 32768) % 32768;
    const int value = 256 * (out.at(2 * row, column) - 128) + out.at(2 * row + 1, column) - 128;
    different += value != std::min(x, 32639);
  }
  REQUIRE(different == 0);
}

TEST_CASE("accumulators of both rows join to the exact product in steps of 32, rounded once and clamped") {
  Random random(31);
  for (const int shift : {18, 33, 40, 62}) {
    const int columns = 500;
    const auto high = uniform<std::int32_t>(columns, -(1 << 28), 1 << 28, random);
    const auto low = uniform<std::int32_t>(columns, -(1 << 28), 1 << 28, random);
    const auto multiplier = uniform<std::int32_t>(columns, 0, shift == 18 ? 1 << 20 : kMostS32, random);
    std::vector<std::int32_t> s32(columns);
    std::vector<std::int16_t> s16(columns);
    const JoinedRow row = {columns, high.data(), low.data(), multiplier.data(), shift};
    scalar_table().join_to_s32(row, s32.data());
    scalar_table().join_to_s16(row, s16.data());
    int different = 0;
    for (std::size_t j = 0; j < s32.size(); ++j) {
      const double sum = std::floor((256.0 * high[j] + low[j]) / 32);
      const long double exact = scaled(static_cast<std::int64_t>(sum), multiplier[j], shift);
      different += s32[j] != std::clamp<long double>(exact, -kMostS32 - 1.0L, kMostS32);
      different += s16[j] != std::clamp<long double>(exact, -32768, 32767);
    }
    REQUIRE(different == 0);
    std::vector<std::int32_t> in_place = high;
    scalar_table().join_to_s32({columns, in_place.data(), low.data(), multiplier.data(), shift}, in_place.data());
    REQUIRE(in_place == s32);
  }
}

TEST_CASE("a stream in the scale of the next sum is divided by a power of two, halves up") {
  Random random(32);
  for (int shift = 1; shift <= 15; ++shift) {
    const auto before = uniform<std::int16_t>(3 * 50, -32768, 32767, random);
    std::vector<std::int16_t> after = before;
    scalar_table().shift_s16({.rows = 3, .columns = 47, .data = after.data(), .stride = 50, .shift = shift});
    for (std::size_t i = 0; i < after.size(); ++i) {
      CAPTURE(shift, i, before[i]);
      REQUIRE(after[i] == (i % 50 < 47 ? std::floor(std::ldexp(before[i], -shift) + 0.5) : before[i]));
    }
  }
}

TEST_CASE("u8 codes of the stream are its values in their scale, rounded, with a zero point, clamped") {
  Random random(33);
  for (const int shift : {1, 30, 38, 62}) {
    const auto in = uniform<std::int16_t>(5 * 100, -32768, 32767, random);
    const int multiplier = shift == 1 ? 1 : static_cast<int>(random.between(1 << 30, kMostS32));
    Tiles out(5, 100);
    scalar_table().requantize_s16({.rows = 5,
                                   .columns = 97,
                                   .in = in.data(),
                                   .stride = 100,
                                   .multiplier = multiplier,
                                   .shift = shift,
                                   .zero_point = 77,
                                   .out = out.matrix()});
    int different = 0;
    for (int row = 0; row < 5; ++row) {
      for (int j = 0; j < 128; ++j) {
        const long double code =
            j < 97 ? scaled(in[elements(row, 100) + static_cast<std::size_t>(j)], multiplier, shift) + 77 : 0;
        different += out.at(row, j) != (j < 97 ? std::clamp<long double>(code, 0, 255) : 0xA5);
      }
    }
    REQUIRE(different == 0);
  }
}

TEST_CASE("codes of eleven bits are eight times the first codes and the fine ones") {
  std::vector<std::int16_t> in;
  for (int code = 0; code < 2048; ++code) in.push_back(static_cast<std::int16_t>(code));
  Tiles out(32, 64), fine(32, 64);
  scalar_table().split_u11(
      {.rows = 32, .columns = 64, .in = in.data(), .stride = 64, .out = out.matrix(), .fine = fine.matrix()});
  for (int code = 0; code < 2048; ++code) {
    REQUIRE(fine.at(code / 64, code % 64) < 8);
    REQUIRE(8 * out.at(code / 64, code % 64) + fine.at(code / 64, code % 64) == code);
  }
}

TEST_CASE("coarse codes are an eighth of the first ones, rounded down") {
  Random random(34);
  const auto in = uniform<std::uint8_t>(3 * 5000, 0, 255, random);
  std::vector<std::uint8_t> out(3 * 5000, 0xA5);
  scalar_table().shift_tiles({.tiles = 3, .columns = 128, .in = in.data(), .out = out.data(), .stride = 5000});
  for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(out[i] == (i % 5000 < 2048 ? std::floor(in[i] / 8.0) : 0xA5));
}

TEST_CASE("a logit is its accumulator in the scale of all, rounded and clamped to 32 bits") {
  Random random(35);
  for (const int shift : {18, 31, 45, 62}) {
    const auto in = uniform<std::int32_t>(300, -kMostS32, kMostS32, random);
    const auto multiplier = uniform<std::int32_t>(300, 0, kMostS32, random);
    std::vector<std::int32_t> out = in;
    scalar_table().scale_s32({300, out.data(), multiplier.data(), shift, out.data()});
    for (std::size_t j = 0; j < out.size(); ++j) {
      const long double exact = scaled(in[j], multiplier[j], shift);
      REQUIRE(out[j] == std::clamp<long double>(exact, -kMostS32 - 1.0L, kMostS32));
    }
  }
}

TEST_CASE("an activation's table is read with straight lines between its values") {
  Random random(38);
  const auto in = uniform<std::int16_t>(2000, -32768, 32767, random);
  const auto table = uniform<std::int16_t>(1025, -32768, 32767, random);
  std::vector<std::int16_t> out = in;
  scalar_table().activate_s16({.columns = 2000, .in = out.data(), .table = table.data(), .out = out.data()});
  for (std::size_t j = 0; j < out.size(); ++j) {
    const double place = (in[j] + 32768.0) / 64.0;
    const auto index = static_cast<std::size_t>(place);
    const double exact = table[index] + (place - std::floor(place)) * (table[index + 1] - table[index]);
    REQUIRE(out[j] == std::floor(exact + 0.5));
  }
}

TEST_CASE("a gated unit is the activation of its gate times the other branch, rounded once to its code") {
  Random random(39);
  const auto gate = uniform<std::int16_t>(64, -32768, 32767, random),
             up = uniform<std::int16_t>(64, -32768, 32767, random);
  std::vector<std::int16_t> table(1025);
  for (int i = 0; i < 1025; ++i)
    table[static_cast<std::size_t>(i)] = static_cast<std::int16_t>(std::clamp(64 * i - 32768, -32768, 32767));
  Tiles plain(1, 64), out(1, 64), fine(1, 64);
  GatedUnits units{.rows = 1,
                   .columns = 64,
                   .gate = gate.data(),
                   .up = up.data(),
                   .stride = 64,
                   .table = table.data(),
                   .multiplier = 1 << 30,
                   .shift = 52,
                   .zero_point = 100,
                   .out = plain.matrix()};
  scalar_table().gated_units(units);  // the table gives the gate itself, the last cell one step less at most
  units.out = out.matrix();
  units.fine = fine.matrix();
  units.shift = 49;  // an eighth of a step
  units.zero_point = 800;
  scalar_table().gated_units(units);
  for (std::size_t j = 0; j < 64; ++j) {
    const int column = static_cast<int>(j);
    const double exact = std::ldexp(static_cast<double>(gate[j]) * up[j], -22);
    const double code = std::clamp(exact + 100.0, 0.0, 255.0), eighths = std::clamp(8.0 * exact + 800.0, 0.0, 2047.0);
    REQUIRE(std::abs(plain.at(0, column) - code) <= 0.52);
    REQUIRE(std::abs(8 * out.at(0, column) + fine.at(0, column) - eighths) <= 0.57);
  }
}

TEST_CASE("a pair of a head is turned by its position's angle, and keeps its length") {
  constexpr double kTurn = 0.7;
  const std::vector<std::int16_t> in = {20000, 0, -12000, 0, 30000, 20000},
                                  cosine = {32767, 32767,
                                            32767, static_cast<std::int16_t>(std::lround(32767 * std::cos(kTurn))),
                                            32767, 0},
                                  sine = {0, 0,    0, static_cast<std::int16_t>(std::lround(32767 * std::sin(kTurn))),
                                          0, 32767};
  const std::int32_t position = 1;
  std::vector<std::uint8_t> out(6);
  scalar_table().rotate_heads({.rows = 1,
                               .heads = 1,
                               .head_size = 6,
                               .in = in.data(),
                               .stride = 6,
                               .cosine = cosine.data(),
                               .sine = sine.data(),
                               .position = &position,
                               .multiplier = 1 << 30,
                               .shift = 54,
                               .zero_point = 0,
                               .low = -127,
                               .high = 127,
                               .out = out.data(),
                               .out_stride = 6});
  const double step = std::ldexp(32767.0, -24);  // of a code for one of the inputs
  const auto code = [&](std::size_t i) { return static_cast<double>(static_cast<std::int8_t>(out[i])); };
  CHECK(std::abs(code(0) - std::clamp(20000 * std::cos(kTurn) * step, -127.0, 127.0)) <= 0.51);
  CHECK(std::abs(code(3) - std::clamp(20000 * std::sin(kTurn) * step, -127.0, 127.0)) <= 0.51);
  CHECK(std::abs(code(1)) <= 0.51);  // without an angle it stays
  CHECK(std::abs(code(4) - std::clamp(30000 * step, -127.0, 127.0)) <= 0.51);
  CHECK(std::abs(code(2) - -20000 * step) <= 0.51);  // a quarter turn exchanges them
  CHECK(std::abs(code(5) - -12000 * step) <= 0.51);
}

TEST_CASE("a mean is the sum over the count, halves up, of negative sums too") {
  Random random(36);
  for (const int count : {1, 2, 3, 196, 65536}) {
    auto sums = uniform<std::int32_t>(200, -32768LL * count, 32767LL * count, random);
    sums[0] = -3 * count, sums[1] = count / 2, sums[2] = -count / 2;
    std::vector<std::int16_t> out(200);
    scalar_table().divide_sums({.count = count, .columns = 200, .sums = sums.data(), .out = out.data()});
    for (std::size_t j = 0; j < out.size(); ++j) REQUIRE(out[j] == std::floor(double{1} * sums[j] / count + 0.5));
  }
}

TEST_CASE("a head's mean logit is the mean of its accumulators in steps of a logit") {
  Random random(37);
  for (const int rows : {1, 2, 77}) {
    const auto in = uniform<std::int32_t>(rows * 10, -kMostS32, kMostS32, random);
    const auto multiplier = uniform<std::int32_t>(8, 0, kMostS32, random);
    std::vector<std::int16_t> out(8);
    scalar_table().mean_gate_logits({.rows = rows,
                                     .heads = 8,
                                     .in = in.data(),
                                     .stride = 10,
                                     .multiplier = multiplier.data(),
                                     .shift = 48,
                                     .out = out.data()});
    for (std::size_t head = 0; head < 8; ++head) {
      double sum = 0;
      for (int row = 0; row < rows; ++row) sum += in[elements(row, 10) + head];
      const auto mean = static_cast<std::int64_t>(std::floor(sum / rows + 0.5));
      REQUIRE(out[head] == std::clamp<long double>(scaled(mean, multiplier[head], 48), -32768, 32767));
    }
  }
}

TEST_CASE("a patch is its square of pixels, row by row") {
  constexpr int kSize = 14, kWidth = 3, kHeight = 2;
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < kSize * kHeight * kSize * kWidth * 3; ++i)
    pixels.push_back(static_cast<std::uint8_t>(i * 7 + i / 256));
  for (int patch = 0; patch < kWidth * kHeight; ++patch) {
    Tiles out(3, 3 * kSize * kSize);
    const std::uint8_t* first =
        pixels.data() + elements(patch / kWidth * kSize, 3 * kSize * kWidth) + patch % kWidth * 3 * kSize;
    scalar_table().copy_patch({first, 3 * kSize * kWidth, kSize, out.matrix(), 2});
    int different = 0;
    for (int y = 0; y < kSize; ++y) {
      for (int x = 0; x < 3 * kSize; ++x) {
        const int line = patch / kWidth * kSize + y, column = patch % kWidth * 3 * kSize + x;
        different += out.at(2, y * 3 * kSize + x) !=
                     pixels[elements(line, 3 * kSize * kWidth) + static_cast<std::size_t>(column)];
      }
    }
    REQUIRE(different == 0);
    REQUIRE(out.at(1, 0) == 0xA5);
  }
}

TEST_CASE("a row of an image is its position and its patch, clamped; a prefix row is its position alone") {
  Random random(38);
  const auto position = uniform<std::int16_t>(100, -32768, 32767, random),
             patch = uniform<std::int16_t>(100, -32768, 32767, random);
  std::vector<std::int16_t> out(100);
  scalar_table().add_patch({100, position.data(), patch.data(), -30000, 31000, out.data()});
  for (std::size_t j = 0; j < 100; ++j) REQUIRE(out[j] == std::clamp(position[j] + patch[j], -30000, 31000));
  scalar_table().add_patch({100, position.data(), nullptr, 0, 0, out.data()});
  REQUIRE(out == position);
}

TEST_CASE("a copied row lies from its new column on, across chunks") {
  Random random(39);
  Tiles from(20, 150), to(20, 400);
  fill(from.data, Fill::uniform, 0, 100, random);
  scalar_table().copy_u8_row({from.matrix(), 17, 150, to.matrix(), 3, 90});
  for (int j = 0; j < 400; ++j) REQUIRE(to.at(3, j) == (j >= 90 && j < 240 ? from.at(17, j - 90) : 0xA5));
}

TEST_CASE("every instruction set gives the scalar bytes of all small row kernels") {
  Random random(40);
  for (const Kernel& kernel : small_row_kernels()) {
    for (int i = 0; i < 100; ++i) {
      CAPTURE(kernel.name, i);
      Problem problem = kernel.make(random);
      require_scalar_bytes(problem);
    }
  }
}

}  // namespace octavo::test
