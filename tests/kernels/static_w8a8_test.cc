// The kernels of static W8A8, the paper's setting, against its formulas in double.
#include "kernels/kernels.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::kernels;

struct Setting {
  double gamma = 0.0, zeta = 1.0, step = 1.0 / 255;
  bool causal = false, gated = false;
};

constexpr int kLength = 37, kSize = 20;
constexpr double kScore = 0.03, kReal = 2e-4,
                 kContext = 0.011;  // steps of a score code, of a product, of a context code

/// Runs the kernel on random codes and compares with softmax, clipping and rounding in double.
void compare(const Setting& setting, std::mt19937& random) {
  const auto uniform = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  std::vector<uint8_t> q(kLength * kSize), context(64 * 64), scratch(attention_scratch_bytes(kLength, kSize));
  std::vector<int8_t> k(kLength * kSize), v(kLength * kSize);
  std::vector<int16_t> gate(kLength);
  for (auto& x : q) x = static_cast<uint8_t>(uniform(0, 255));
  for (auto& x : k) x = static_cast<int8_t>(uniform(-128, 127));
  for (auto& x : v) x = static_cast<int8_t>(uniform(-128, 127));
  for (auto& x : gate) x = static_cast<int16_t>(uniform(-12000, 12000));
  const auto multiplier = [](double real, int32_t& m, int& shift) {
    int exponent;
    m = static_cast<int32_t>(std::min(std::round(std::ldexp(std::frexp(real, &exponent), 31)), 2147483647.0));
    shift = 31 - exponent;
  };
  std::vector<int32_t> exponential(256);
  for (int t = 0; t < 256; ++t)
    exponential[static_cast<size_t>(t)] = static_cast<int32_t>(std::round(std::ldexp(std::exp(-t * kScore), 24)));
  AttentionConstants constants = {};
  constants.head_size = kSize;
  constants.causal = setting.causal;
  constants.query_zero_point = 120;
  constants.zero_point = 100;
  StaticW8A8Attention paper = {};
  paper.key_zero_point = 11;
  paper.value_zero_point = -9;
  paper.score_zero_point = 130;
  paper.exponential = exponential.data();
  paper.slope = std::llround(std::ldexp((setting.zeta - setting.gamma) / setting.step, 22));
  paper.offset = std::max<int64_t>(std::llround(std::ldexp(setting.gamma / setting.step, 22)), -paper.slope);
  paper.most = static_cast<int32_t>(std::min(255.0, std::round(1 / setting.step)));
  multiplier(kReal / kScore, paper.score_multiplier, paper.score_shift);
  const double value_step = 0.02;
  multiplier(value_step * setting.step / kContext, constants.multiplier, constants.shift);
  kernels::table_for(Isa::scalar)
      .attention_static_w8a8({.constants = &constants,
                              .length = kLength,
                              .first_query = 0,
                              .queries = kLength,
                              .q = q.data(),
                              .k = k.data(),
                              .v = v.data(),
                              .stride = kSize,
                              .key_stride = kSize,
                              .gate = setting.gated ? gate.data() : nullptr,
                              .gate_stride = 1,
                              .context = {context.data(), 1024, 64, 64},
                              .context_row = 0,
                              .context_column = 0,
                              .scratch = scratch.data()},
                             paper);
  int wrong = 0;
  for (int i = 0; i < kLength; ++i) {
    const int keys = setting.causal ? i + 1 : kLength;
    std::vector<double> p(static_cast<size_t>(keys));
    double total = 0.0;
    for (int j = 0; j < keys; ++j) {
      double sum = 0.0;
      for (int d = 0; d < kSize; ++d)
        sum += (q[static_cast<size_t>(i * kSize + d)] - 120) * (k[static_cast<size_t>(j * kSize + d)] - 11);
      p[static_cast<size_t>(j)] =
          std::exp(kScore * (std::clamp(std::floor(sum * kReal / kScore + 0.5) + 130, 0.0, 255.0) - 130));
      total += p[static_cast<size_t>(j)];
    }
    const double g = setting.gated ? 1.0 / (1.0 + std::exp(-gate[static_cast<size_t>(i)] / 2048.0)) : 1.0;
    for (int d = 0; d < kSize; ++d) {
      double sum = 0.0;
      for (int j = 0; j < keys; ++j) {
        const double clipped =
            std::clamp((setting.zeta - setting.gamma) * p[static_cast<size_t>(j)] / total + setting.gamma, 0.0, 1.0);
        sum += std::min(std::floor(clipped / setting.step + 0.5), 255.0) * setting.step * value_step *
               (v[static_cast<size_t>(j * kSize + d)] + 9);
      }
      const double expected = std::clamp(g * sum / kContext + 100.0, 0.0, 255.0);
      wrong += std::abs(context[static_cast<size_t>(i / 16 * 1024 + i % 16 * 64 + d)] - expected) > 1.1;
    }
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE(
    "attention with the paper's static quantizers is its formula in double, with zero points, clipping, gate and "
    "mask") {
  std::mt19937 random(3);
  compare({}, random);
  compare({.step = 0.4 / 255}, random);
  compare({.gamma = -0.025}, random);
  compare({.gamma = -0.03, .zeta = 1.01, .step = 0.9 / 255, .causal = true}, random);
  compare({.gamma = -0.003, .gated = true}, random);
  compare({.gamma = -1.0}, random);  // every probability is clipped to 0
}

TEST_CASE("an embedding sum in the paper's setting rounds words and types first, then adds positions") {
  const std::vector<int8_t> word = {100, -7}, position = {3, 60}, type = {-20, 127};
  const std::vector<int32_t> m_word = {1 << 20}, m_position = {1 << 19}, m_type = {3 << 18}, zero = {0};
  std::vector<int16_t> out(2);
  const EmbeddingSum sum{.rows = 1,
                         .columns = 2,
                         .tables = 3,
                         .table = {{word.data(), m_word.data(), zero.data()},
                                   {position.data(), m_position.data(), zero.data()},
                                   {type.data(), m_type.data(), zero.data()}},
                         .out = out.data(),
                         .stride = 2};
  kernels::table_for(Isa::scalar)
      .embedding_sum_static_w8a8(
          sum, {.partial_low = -50, .partial_high = 84, .partial_multiplier = 1 << 20, .low = -128, .high = 85});
  CHECK(out[0] == 85);  // 100 - 15 = 85, clamped to 84; + 1.5 = 85.5 -> 86, clamped to 85
  CHECK(out[1] == 85);  // -7 + 95.25 = 88 -> 84; + 30
}

}  // namespace octavo::test
