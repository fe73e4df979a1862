// The scalar attention kernel against formulas in double.
#include "tests/kernels/attention_support.h"

namespace octavo::test {
namespace {

// exp(score + bias - largest) of the keys that a query sees, in double.
std::vector<double> exponentials(AttentionProblem& problem, int query) {
  const AttentionConstants& constants = problem.constants;
  const int keys = constants.causal ? query + 1 : problem.args.length;
  std::vector<double> e(keys);
  for (int j = 0; j < keys; ++j) {
    for (int d = 0; d < constants.head_size; ++d) {
      e[j] += (problem.query(query, d) - constants.query_zero_point) * problem.key(j, d);
    }
    if (problem.args.bias) e[j] += problem.args.bias[query * problem.args.bias_stride + j];
  }
  const double largest = *std::max_element(e.begin(), e.end());
  for (double& score : e) score = std::exp((score - largest) * score_scale(constants));
  return e;
}
double sum_of(const std::vector<double>& values) {
  double sum = 0;
  for (double value : values) sum += value;
  return sum;
}

// The most that an integer exponential can differ from e: distances are cut to steps of 2^-11 of a power of two, once
// when scaled and once when multiplied; the power itself is 2^-13.5 off.
double exponential_error(double e) { return e * 2 * std::log(2.0) / 2048 + std::exp2(-13.5) + std::exp2(-15); }

struct Expected {
  double context;  // before rounding and clamping, in context steps relative to the zero point
  double error;    // the most that rounding of exponentials and probabilities can change
};

Expected expected_softmax(AttentionProblem& problem, int query, int d) {
  const std::vector<double> e = exponentials(problem, query);
  const double sum = sum_of(e);
  double mean = 0, error = 0, code_sum = 0;
  for (size_t j = 0; j < e.size(); ++j) mean += e[j] / sum * problem.value(static_cast<int>(j), d);
  for (size_t j = 0; j < e.size(); ++j) {
    const double code = 255 * e[j], off = 255 * exponential_error(e[j]);
    const double code_error = code + off < 0.5 ? code : 0.5 + off;  // rounded to 0, or rounded
    error += code_error * std::abs(problem.value(static_cast<int>(j), d) - mean);
    code_sum += std::max(code - code_error, 0.0);
  }
  return {mean, error / std::max(code_sum, 255.0)};
}

Expected expected_clipped(AttentionProblem& problem, Clipping clipping, int query, int d) {
  const std::vector<double> e = exponentials(problem, query);
  const double sum = sum_of(e), range = clipping.zeta - clipping.gamma, theta = -clipping.gamma / range;
  double sum_error = 0;
  for (double value : e) sum_error += exponential_error(value);
  Expected expected = {0, 0};
  for (size_t j = 0; j < e.size(); ++j) {
    const double p = std::clamp(range * e[j] / sum + clipping.gamma, 0.0, 1.0), kept = p * sum / range;
    const double kept_error = exponential_error(e[j]) + (theta + 1 / range) * sum_error + std::exp2(-14);
    const double top = std::min(std::max(1 - theta * sum, 0.0) + kept_error, sum / range), step = top / 255;
    const double error = kept + kept_error < 0.45 * step ? kept : 0.55 * step + kept_error;
    expected.context += p * problem.value(static_cast<int>(j), d);
    expected.error += (error * range / sum + p * sum_error / sum) * std::abs(problem.value(static_cast<int>(j), d));
  }
  return expected;
}

void require_close(const AttentionProblem& problem, int query, int d, Expected expected, double gate = 1) {
  const double exact = std::clamp(expected.context * gate + problem.constants.zero_point, 0.0, 255.0);
  const double allowed = 0.5 + expected.error * gate + std::abs(expected.context) * std::exp2(-11.4) + 0.01;
  CAPTURE(query, d, exact, allowed, problem.context(query, d));
  REQUIRE(std::abs(problem.context(query, d) - exact) <= allowed);
}

// Queries that are multiples of their keys' direction: scores spread over `nats`.
void fill_with_spread(AttentionProblem& problem, double nats, Random& random) {
  fill(problem.k, Fill::uniform, -127, 127, random);
  fill(problem.v, Fill::uniform, -127, 127, random);
  fill(problem.q, Fill::uniform, 0, 255, random);
  problem.constants.query_zero_point = 117;
  const double deviation = std::sqrt(problem.constants.head_size) * 74 * 73;  // of a score: uniform q and k
  set_score_scale(problem.constants, nats / (4 * deviation));                 // four deviations from end to end
}

// The smallest multiplier, as a real, at which the context of (0, 0) reaches `code`; it lies within a factor of two of
// `guess`. What else decides the context is measured by it to 28 bits.
double multiplier_reaching(const KernelTable& table, AttentionProblem& problem, int code, double guess) {
  AttentionConstants& constants = problem.constants;
  set_multiplier(constants, guess / 2);
  const int shift = constants.shift;
  int64_t below = int64_t{1} << 30, reaching = int64_t{1} << 33;
  while (reaching - below > 8) {
    const int64_t middle = (below + reaching) / 2;
    const int halvings = middle >> 32 ? 2 : middle >> 31 ? 1 : 0;
    constants.multiplier = static_cast<int32_t>(middle >> halvings);
    constants.shift = shift - halvings;
    table.attention(problem.args);
    (problem.context(0, 0) >= code ? reaching : below) = middle;
  }
  return std::ldexp(static_cast<double>(reaching), -shift);
}

TEST_CASE("An attention row is the softmax of its scores, up to the rounding of its probabilities", "[kernels]") {
  Random random(1);
  for (double nats : {0.5, 4.0, 14.0, 40.0, 200.0}) {
    for (bool causal : {false, true}) {
      AttentionProblem problem({.length = 61, .head_size = 32}, layer(1, 1));
      problem.constants.causal = causal;
      fill_with_spread(problem, nats, random);
      problem.run(scalar_table());
      for (int query = 0; query < 61; ++query) {
        for (int d = 0; d < 32; d += 5) require_close(problem, query, d, expected_softmax(problem, query, d));
      }
    }
  }
}

TEST_CASE("A bias by distance or by pair is added to an attention row's scores", "[kernels]") {
  Random random(21);
  for (const AttentionShape::Bias bias : {AttentionShape::Bias::distances, AttentionShape::Bias::pairs}) {
    AttentionProblem problem({.length = 61, .head_size = 32, .bias = bias}, layer(1, 1));
    fill_with_spread(problem, 4, random);
    for (std::int32_t& each : problem.bias) each = random.integer(-200000, 200000);
    problem.run(scalar_table());
    for (int query = 0; query < 61; ++query) {
      for (int d = 0; d < 32; d += 5) require_close(problem, query, d, expected_softmax(problem, query, d));
    }
  }
}

TEST_CASE("Clipped attention is clamp((zeta - gamma) softmax + gamma, 0, 1)", "[kernels]") {
  Random random(2);
  for (Clipping clipping : {Clipping{-0.025, 1}, {-0.003, 1}, {-0.003, 1.003}, {-0.025, 1.003}, {0, 1}}) {
    for (double nats : {0.5, 4.0, 14.0, 40.0, 200.0}) {
      AttentionProblem problem({.length = 61, .head_size = 32}, clipped_layer(1, 1, clipping));
      problem.constants.causal = nats == 4.0;
      fill_with_spread(problem, nats, random);
      problem.run(scalar_table());
      for (int query = 0; query < 61; ++query) {
        for (int d = 0; d < 32; d += 5) require_close(problem, query, d, expected_clipped(problem, clipping, query, d));
      }
    }
  }
}

TEST_CASE("A gate multiplies its row's context by the sigmoid of its logit", "[kernels]") {
  Random random(3);
  AttentionProblem problem({.length = 40, .head_size = 12, .gated = true}, layer(1, 1));
  fill_with_spread(problem, 5, random);
  fill(problem.gate, Fill::uniform, -32768, 32767, random);
  problem.run(scalar_table());
  for (int query = 0; query < 40; ++query) {
    const double gate = 1 / (1 + std::exp(-problem.gate_of(query) / 2048.0));
    for (int d = 0; d < 12; ++d) require_close(problem, query, d, expected_softmax(problem, query, d), gate);
  }
}

TEST_CASE("The exponential is within 2^-13.5 of 2^-x at every distance", "[kernels]") {
  // Two keys, the second at distance u from the first: Z = 32767 + e(u) decides the context of v = (127, 0).
  AttentionProblem problem({.length = 2, .head_size = 4, .queries = 1}, clipped_layer(1, 1, {0, 1}));
  problem.constants.zero_point = 0;
  problem.constants.score_multiplier = 32768;
  problem.constants.score_shift = 0;
  problem.value(0, 0) = 127;
  for (int d = 0; d < 4; ++d) problem.key(1, d) = d < 3 ? -127 : -1;
  double largest_error = 0;
  for (int u = 0; u < 32768; ++u) {
    int rest = 2 * u;
    for (int d = 0; d < 3; ++d) {
      problem.query(0, d) = static_cast<uint8_t>(std::min(rest / 127, 255));
      rest -= problem.query(0, d) * 127;
    }
    problem.query(0, 3) = static_cast<uint8_t>(rest);
    const double reached = multiplier_reaching(scalar_table(), problem, 64, 63.5 / (255 * 127));
    const double e = 255 * 127 / 63.5 * reached - 1;  // of 32767
    largest_error = std::max(largest_error, std::abs(e * 32767 / 32768 - std::exp2(-u / 2048.0)));
  }
  CAPTURE(std::log2(largest_error));
  REQUIRE(largest_error < std::exp2(-13.5));
}

TEST_CASE("The gate's sigmoid is within 2^-11.4 everywhere", "[kernels]") {
  AttentionProblem problem({.length = 1, .head_size = 4, .gated = true}, layer(1, 1));
  problem.constants.zero_point = 0;
  problem.value(0, 0) = 127;
  double largest_error = 0;
  for (int logit = -32768; logit < 32768; ++logit) {
    problem.gate_of(0) = static_cast<int16_t>(logit);
    const double sigmoid = 1 / (1 + std::exp(-logit / 2048.0));
    const double reached = multiplier_reaching(scalar_table(), problem, 1, 0.5 / 127 / std::max(sigmoid, 0.0003));
    largest_error = std::max(largest_error, std::abs(0.5 / 127 / reached - sigmoid));
  }
  CAPTURE(std::log2(largest_error));
  REQUIRE(largest_error <= std::exp2(-11.4));
}

TEST_CASE("A sequence of one key has that key's value as its context", "[kernels]") {
  Random random(4);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionProblem problem({.length = 1, .head_size = 20}, layer(1, 1));
    fill_with_spread(problem, 10, random);
    problem.run(named.table);
    for (int d = 0; d < 20; ++d) REQUIRE(problem.context(0, d) == 128 + problem.value(0, d));
  }
}

TEST_CASE("16-bit probabilities keep what hundreds of small ones add beside an attention sink", "[kernels]") {
  // One key far ahead of 299 others, each of which has less than half of a 255th of its weight.
  for (const bool u16 : {false, true}) {
    AttentionConstants constants = layer(0.001, 5);
    constants.u16_probabilities = u16;
    for (const NamedTable& named : available_tables()) {
      CAPTURE(named.isa, u16);
      AttentionProblem problem({.length = 300, .head_size = 32}, constants);
      for (int key = 0; key < 300; ++key) {
        problem.query(key, 0) = 200;
        problem.key(key, 0) = static_cast<int8_t>(key == 7 ? 100 : 68);
        problem.value(key, 0) = static_cast<int8_t>(key == 7 ? 0 : 60);
      }
      const double distance = 200 * 32 * score_scale(constants), small = std::exp(-distance);
      REQUIRE(small < 1.0 / 512);
      problem.run(named.table);
      const double exact = 128 + 5 * 60 * 299 * small / (1 + 299 * small);
      REQUIRE(exact > 150);
      if (u16)
        REQUIRE(std::abs(problem.context(5, 0) - exact) < 0.02 * (exact - 128) + 0.5);
      else
        REQUIRE(problem.context(5, 0) == 128);
    }
  }
}

TEST_CASE("16-bit probabilities of thousands of equal keys with extreme values add up exactly", "[kernels]") {
  AttentionConstants constants = layer(0.001, 1);
  constants.u16_probabilities = true;
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    for (const int queries : {1, 5}) {
      AttentionProblem problem({.length = 2600, .head_size = 32, .queries = queries}, constants);
      for (int key = 0; key < 2600; ++key) {
        problem.value(key, 0) = 127;
        problem.value(key, 1) = -127;
      }
      problem.run(named.table);
      REQUIRE(problem.context(0, 0) == 128 + 127);
      REQUIRE(problem.context(0, 1) == 128 - 127);
    }
  }
}

TEST_CASE("Fine codes are the last three of eleven bits of a context", "[kernels]") {
  Random random(14);
  AttentionConstants eighth = layer(1, 8);  // a value's step is eight of the context's
  eighth.zero_point = 8 * 128 + 5;
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionProblem problem({.length = 1, .head_size = 20, .fine = true}, eighth);
    fill_with_spread(problem, 10, random);
    problem.value(0, 0) = 127, problem.value(0, 1) = -127;  // the ends of the codes
    problem.run(named.table);
    for (int d = 0; d < 20; ++d)
      REQUIRE(8 * problem.context(0, d) + problem.fine(0, d) == 8 * 128 + 5 + 8 * problem.value(0, d));
    problem.constants.zero_point = 0;
    problem.run(named.table);
    REQUIRE(8 * problem.context(0, 1) + problem.fine(0, 1) == 0);
    problem.constants.zero_point = 2040;
    problem.run(named.table);
    REQUIRE(8 * problem.context(0, 0) + problem.fine(0, 0) == 2047);
  }
}

TEST_CASE("A key far ahead of all others gives its value", "[kernels]") {
  Random random(5);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionProblem problem({.length = 50, .head_size = 64}, layer(0.01, 1));
    fill(problem.v, Fill::uniform, -127, 127, random);
    for (int query = 0; query < 50; ++query) problem.query(query, query) = 200;
    for (int key = 0; key < 50; ++key) problem.key(key, key) = 127;
    problem.run(named.table);
    for (int query = 0; query < 50; ++query) {
      for (int d = 0; d < 64; ++d) REQUIRE(problem.context(query, d) == 128 + problem.value(query, d));
    }
  }
}

TEST_CASE("Keys of equal scores give the average of their values", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionProblem problem({.length = 96, .head_size = 4}, layer(1e-4, 1));
    for (int key = 0; key < 96; ++key) problem.value(key, 0) = static_cast<int8_t>(key % 2 == 0 ? 20 : 40);
    problem.run(named.table);
    REQUIRE(problem.context(7, 0) == 128 + 30);
    REQUIRE(problem.context(7, 1) == 128);
  }
}

TEST_CASE("A row that clipping empties gives the zero point", "[kernels]") {
  Random random(6);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionProblem problem({.length = 64, .head_size = 8},
                             clipped_layer(1e-4, 1, {-0.025, 1}));  // 1.025 / 64 < 0.025
    fill(problem.v, Fill::highest, -127, 127, random);
    problem.run(named.table);
    for (int query = 0; query < 64; ++query) REQUIRE(problem.context(query, 3) == 128);
  }
}

TEST_CASE("A causal query's context does not depend on later keys", "[kernels]") {
  Random random(7);
  AttentionProblem whole({.length = 75, .head_size = 20}, layer(1, 1));
  whole.constants.causal = true;
  fill_with_spread(whole, 9, random);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    whole.run(named.table);
    for (int length : {1, 2, 31, 32, 33, 64, 74}) {
      AttentionProblem part({.length = length, .head_size = 20}, whole.constants);
      std::copy_n(whole.q.begin(), part.q.size(), part.q.begin());
      std::copy_n(whole.k.begin(), part.k.size(), part.k.begin());
      std::copy_n(whole.v.begin(), part.v.size(), part.v.begin());
      part.run(named.table);
      for (int query = 0; query < length; ++query) {
        for (int d = 0; d < 20; ++d) REQUIRE(part.context(query, d) == whole.context(query, d));
      }
    }
  }
}

TEST_CASE("Probabilities up to the threshold are zero, and the others are not made larger for it", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionConstants constants = clipped_layer(0.02, 1, {0, 1});
    const std::vector<int> scores = {100, 50, 0, 40};  // 0.59, 0.22, 0.08, 0.18 of 12.3
    const auto context_of = [&](int key, double tau) {
      constants.prune = static_cast<uint32_t>(std::round(std::ldexp(tau, 31)));
      AttentionProblem problem = scored(constants, scores, key);
      problem.run(named.table);
      return problem.context(0, 0) - 128;
    };
    const int kept = context_of(0, 0), small = context_of(2, 0);
    REQUIRE(small > 4);
    CHECK(context_of(0, 0.1) == kept);
    CHECK(context_of(2, 0.07) == small);
    CHECK(context_of(2, 0.1) == 0);
    CHECK(context_of(1, 0.3) == 0);
    CHECK(context_of(0, 0.7) == 0);
  }
}

TEST_CASE("Levels give each probability the centre of its step", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionConstants constants = clipped_layer(0.05, 1, {0, 1});
    constants.levels = &kThreeBits;
    const std::vector<int> scores = {100, 81, 40, 0, -60};  // 0.688, 0.266, 0.034, 0.0046, 0.0002
    const double levels[] = {0.61054, 0.227585, 0.0316228, 0.00439397, 0};
    for (int key = 0; key < 5; ++key) {
      AttentionProblem problem = scored(constants, scores, key);
      problem.run(named.table);
      CHECK(problem.context(0, 0) - 128 == Approx(100 * levels[key]).margin(0.75));
    }
  }
}

}  // namespace
}  // namespace octavo::test
