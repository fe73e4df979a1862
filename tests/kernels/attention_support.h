// Layers of attention in real units, for tests of its kernels.
#pragma once

#include "kernels/kernels.h"
#include "system/attention_problem.h"
#include "tests/kernels/kernel_support.h"
#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <optional>
#include <random>
#include <vector>

namespace octavo::test {

using namespace octavo::kernels;
using namespace octavo::problems;
using octavo::problems::Problem;

// real = multiplier * 2^-shift, multiplier in [2^30, 2^31)
inline void set_multiplier(AttentionConstants& constants, double real) {
  int exponent;
  const double fraction = std::frexp(real, &exponent);
  constants.multiplier = static_cast<int32_t>(std::min(std::round(std::ldexp(fraction, 31)), 2147483647.0));
  constants.shift = 31 - exponent;
}

// Scores in steps of `nats`.
inline void set_score_scale(AttentionConstants& constants, double nats) {
  const double f = nats / std::log(2.0) * std::ldexp(1.0, 27);
  constants.score_shift = 16 - (std::ilogb(f) + 1);
  constants.score_multiplier =
      static_cast<uint16_t>(std::min(std::round(std::ldexp(f, constants.score_shift)), 65535.0));
}
// What the integers above say, exactly.
inline double score_scale(const AttentionConstants& constants) {
  return std::ldexp(constants.score_multiplier, -27 - constants.score_shift) * std::log(2.0);
}

struct Clipping {
  double gamma, zeta;
};

inline AttentionConstants layer(double nats_per_score, double context_per_value) {
  AttentionConstants constants = {};
  constants.zero_point = 128;
  set_score_scale(constants, nats_per_score);
  set_multiplier(constants, context_per_value);
  return constants;
}
inline AttentionConstants clipped_layer(double nats_per_score, double context_per_value, Clipping clipping) {
  const double range = clipping.zeta - clipping.gamma;
  AttentionConstants constants = layer(nats_per_score, context_per_value * range / 255);
  constants.clipped = true;
  constants.theta = static_cast<int32_t>(std::round(-clipping.gamma / range * std::ldexp(1.0, 31)));
  constants.cap = static_cast<uint32_t>(std::round(std::ldexp(1.0, 31) / range));
  return constants;
}

// Keys of which key i has the score `scores[i]` for the one query, and values 100 for key `marked` and 0 for the
// others.
inline AttentionProblem scored(const AttentionConstants& constants, const std::vector<int>& scores, int marked,
                               std::optional<int> sink = {}) {
  AttentionProblem problem(
      {.length = static_cast<int>(scores.size()), .head_size = 4, .queries = 1, .sink = sink.has_value()}, constants);
  if (sink) problem.sink[0] = *sink;
  problem.constants.query_zero_point = 100;
  for (int d = 0; d < 4; ++d) problem.query(0, d) = static_cast<uint8_t>(d == 0 ? 101 : 100);
  for (size_t i = 0; i < scores.size(); ++i) problem.key(static_cast<int>(i), 0) = static_cast<int8_t>(scores[i]);
  problem.value(marked, 0) = 100;
  return problem;
}

// Seven levels from 1e-3 on, each 2.68 times the one below, and contexts in units of V.
inline const AttentionLevels kThreeBits = [] {
  AttentionLevels levels = {};
  levels.count = 7;
  for (int i = 0; i < levels.count; ++i) {
    const double step = std::log2(1e3) / 7, value = 1e-3 * std::exp2((i + 0.5) * step);
    AttentionConstants constants = {};
    set_multiplier(constants, value / 255);
    levels.edge[i] = static_cast<uint32_t>(std::round(1e-3 * std::exp2(i * step + 31)));
    levels.code[i] = static_cast<uint8_t>(std::round(255 * std::exp2(-i * step)));
    levels.multiplier[i] = constants.multiplier;
    levels.shift[i] = constants.shift;
  }
  return levels;
}();

}  // namespace octavo::test
