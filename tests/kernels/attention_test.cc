// Attention kernels: the scalar one against formulas in double, the others against the scalar one.
#include "kernel_support.h"
#include "kernels/kernels.h"
#include "support.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <random>
#include <vector>

namespace octavo::test {
namespace {

using namespace octavo::kernels;

constexpr int kMost = 1 << 30;

// Where a head lies and what is asked of it.
struct Shape {
  int length, head_size;
  int first_query = 0, queries = kMost;  // all by default
  bool gated = false;
  int context_row = 0, context_head = 0;
  bool tile_order = false;
  bool fine = false;  // also fine codes
};

int round_up(int value, int step) { return (value + step - 1) / step * step; }

// One call with all that it may touch in guarded memory; q, k, v and gate end with the last element that may be read.
class Problem {
 public:
  Problem(const Shape& shape, const AttentionConstants& layer)
      : constants(layer),
        stride_(shape.head_size + 24),
        q(elements(shape, stride_), 1),
        k(elements(shape, stride_), 1),
        v(elements(shape, stride_), 1),
        gate(static_cast<size_t>(shape.length - 1) * kGateStride + 1, 2),
        scratch_(attention_scratch_bytes(shape.length, shape.head_size)),
        columns_(round_up((shape.context_head + 1) * shape.head_size, 64)),
        context_(static_cast<size_t>(round_up(shape.context_row + shape.length, 16)) * columns_),
        fine_(context_.size()) {
    constants.head_size = shape.head_size;
    const ptrdiff_t tile_stride = ptrdiff_t{16} * columns_;
    call_ = {.constants = &constants,
             .length = shape.length,
             .first_query = shape.first_query,
             .queries = std::min(shape.queries, shape.length - shape.first_query),
             .q = q.data(),
             .k = k.data(),
             .v = v.data(),
             .stride = stride_,
             .key_stride = stride_,
             .gate = shape.gated ? gate.data() : nullptr,
             .gate_stride = kGateStride,
             .context = shape.tile_order ? ByteMatrix{context_.data(), tile_stride, 64, 1024}
                                         : ByteMatrix{context_.data(), tile_stride, columns_, 64},
             .context_row = shape.context_row,
             .context_column = shape.context_head * shape.head_size,
             .scratch = scratch_.data()};
    if (shape.fine) {
      call_.fine = call_.context;
      call_.fine.data = fine_.data();
    }
    std::mt19937_64 unused;
    fill(q, Fill::zero, 0, 0, unused);
    fill(k, Fill::zero, 0, 0, unused);
    fill(v, Fill::zero, 0, 0, unused);
    fill(gate, Fill::zero, 0, 0, unused);
  }

  uint8_t& query(int row, int d) { return q[static_cast<size_t>(row * stride_ + d)]; }
  int8_t& key(int row, int d) { return k[static_cast<size_t>(row * stride_ + d)]; }
  int8_t& value(int row, int d) { return v[static_cast<size_t>(row * stride_ + d)]; }
  int16_t& gate_of(int row) { return gate[static_cast<size_t>(row) * kGateStride]; }

  // The whole context matrix and that of fine codes, 0xA5 where the call wrote nothing.
  std::vector<uint8_t> run(const KernelTable& table) {
    return run_by([&](const Attention& call) { table.attention(call); });
  }
  // The same by shares of the keys, in any order within a phase.
  std::vector<uint8_t> run_shares(const KernelTable& table, int shares, std::mt19937_64& random) {
    const auto do_share = [&](const Attention& call, AttentionShare::Phase phase, int share) {
      const int first = share_begin(call.length, share, shares), end = share_begin(call.length, share + 1, shares);
      table.attention_share(call, {phase, share, shares, first, end - first});
    };
    const auto do_all = [&](const Attention& call, AttentionShare::Phase phase) {
      table.attention_share(call, {phase, 0, shares, 0, call.length});
    };
    std::vector<int> turns(static_cast<size_t>(shares));
    std::iota(turns.begin(), turns.end(), 0);
    return run_by([&](const Attention& call) {
      std::shuffle(turns.begin(), turns.end(), random);
      for (const int share : turns) do_share(call, AttentionShare::scores, share);
      do_all(call, AttentionShare::probabilities);
      std::shuffle(turns.begin(), turns.end(), random);
      for (const int share : turns) do_share(call, AttentionShare::sums, share);
      do_all(call, AttentionShare::context);
    });
  }
  // Element (query, d) of what the last run wrote.
  int context(int query, int d) const { return at(call_.context, query, d); }
  int fine(int query, int d) const { return at(call_.fine, query, d); }
  int at(const ByteMatrix& m, int query, int d) const {
    const ptrdiff_t row = call_.context_row + query, column = call_.context_column + d;
    return m.data[row / 16 * m.tile_stride + row % 16 * m.row_stride + column / 64 * m.chunk_stride + column % 64];
  }
  bool intact() const {
    return q.intact() && k.intact() && v.intact() && gate.intact() && scratch_.intact() && context_.intact() && fine_.intact();
  }
  Attention& call() { return call_; }

  AttentionConstants constants;

 private:
  template <class Call>
  std::vector<uint8_t> run_by(Call call) {
    std::fill(context_.begin(), context_.end(), uint8_t{0xA5});
    std::fill(scratch_.begin(), scratch_.end(), uint8_t{0xFF});
    std::fill(fine_.begin(), fine_.end(), uint8_t{0xA5});
    call(call_);
    std::vector<uint8_t> written(context_.begin(), context_.end());
    written.insert(written.end(), fine_.begin(), fine_.end());
    return written;
  }
  static constexpr int kGateStride = 3;
  static size_t elements(const Shape& shape, int stride) {
    return static_cast<size_t>(shape.length - 1) * stride + shape.head_size;
  }
  int stride_;

 public:
  Guarded<uint8_t> q;
  Guarded<int8_t> k, v;
  Guarded<int16_t> gate;

 private:
  Guarded<uint8_t> scratch_;
  int columns_;
  Guarded<uint8_t> context_, fine_;
  Attention call_;
};

// real = multiplier * 2^-shift, multiplier in [2^30, 2^31)
void set_multiplier(AttentionConstants& constants, double real) {
  int exponent;
  const double fraction = std::frexp(real, &exponent);
  constants.multiplier = static_cast<int32_t>(std::min(std::round(std::ldexp(fraction, 31)), 2147483647.0));
  constants.shift = 31 - exponent;
}

// Scores in steps of `nats`.
void set_score_scale(AttentionConstants& constants, double nats) {
  const double f = nats / std::log(2.0) * std::ldexp(1.0, 27);
  constants.score_shift = 16 - (std::ilogb(f) + 1);
  constants.score_multiplier =
      static_cast<uint16_t>(std::min(std::round(std::ldexp(f, constants.score_shift)), 65535.0));
}
// What the integers above say, exactly.
double score_scale(const AttentionConstants& constants) {
  return std::ldexp(constants.score_multiplier, -27 - constants.score_shift) * std::log(2.0);
}

struct Clipping {
  double gamma, zeta;
};

AttentionConstants layer(double nats_per_score, double context_per_value) {
  AttentionConstants constants = {};
  constants.zero_point = 128;
  set_score_scale(constants, nats_per_score);
  set_multiplier(constants, context_per_value);
  return constants;
}
AttentionConstants clipped_layer(double nats_per_score, double context_per_value, Clipping clipping) {
  const double range = clipping.zeta - clipping.gamma;
  AttentionConstants constants = layer(nats_per_score, context_per_value * range / 255);
  constants.clipped = true;
  constants.theta = static_cast<int32_t>(std::round(-clipping.gamma / range * std::ldexp(1.0, 31)));
  constants.cap = static_cast<uint32_t>(std::round(std::ldexp(1.0, 31) / range));
  return constants;
}

KernelTable scalar_table() { return available_tables()[0].table; }

// exp(score - largest) of the keys that a query sees, in double.
std::vector<double> exponentials(Problem& problem, int query) {
  const AttentionConstants& constants = problem.constants;
  const int keys = constants.causal ? query + 1 : problem.call().length;
  std::vector<double> e(keys);
  for (int j = 0; j < keys; ++j) {
    for (int d = 0; d < constants.head_size; ++d) {
      e[j] += (problem.query(query, d) - constants.query_zero_point) * problem.key(j, d);
    }
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

Expected expected_softmax(Problem& problem, int query, int d) {
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

Expected expected_clipped(Problem& problem, Clipping clipping, int query, int d) {
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

void require_close(const Problem& problem, int query, int d, Expected expected, double gate = 1) {
  const double exact = std::clamp(expected.context * gate + problem.constants.zero_point, 0.0, 255.0);
  const double allowed = 0.5 + expected.error * gate + std::abs(expected.context) * std::exp2(-11.4) + 0.01;
  CAPTURE(query, d, exact, allowed, problem.context(query, d));
  REQUIRE(std::abs(problem.context(query, d) - exact) <= allowed);
}

// Queries that are multiples of their keys' direction: scores spread over `nats`.
void fill_with_spread(Problem& problem, double nats, std::mt19937_64& random) {
  fill(problem.k, Fill::random, -127, 127, random);
  fill(problem.v, Fill::random, -127, 127, random);
  fill(problem.q, Fill::random, 0, 255, random);
  problem.constants.query_zero_point = 117;
  const double deviation = std::sqrt(problem.constants.head_size) * 74 * 73;  // of a score: uniform q and k
  set_score_scale(problem.constants, nats / (4 * deviation));                 // four deviations from end to end
}

// The smallest multiplier, as a real, at which the context of (0, 0) reaches `code`; it lies within a factor of two of
// `guess`. What else decides the context is measured by it to 28 bits.
double multiplier_reaching(const KernelTable& table, Problem& problem, int code, double guess) {
  AttentionConstants& constants = problem.constants;
  set_multiplier(constants, guess / 2);
  const int shift = constants.shift;
  int64_t below = int64_t{1} << 30, reaching = int64_t{1} << 33;
  while (reaching - below > 8) {
    const int64_t middle = (below + reaching) / 2;
    const int halvings = middle >> 32 ? 2 : middle >> 31 ? 1 : 0;
    constants.multiplier = static_cast<int32_t>(middle >> halvings);
    constants.shift = shift - halvings;
    table.attention(problem.call());
    (problem.context(0, 0) >= code ? reaching : below) = middle;
  }
  return std::ldexp(static_cast<double>(reaching), -shift);
}

TEST_CASE("An attention row is the softmax of its scores, up to the rounding of its probabilities", "[kernels]") {
  std::mt19937_64 random(1);
  for (double nats : {0.5, 4.0, 14.0, 40.0, 200.0}) {
    for (bool causal : {false, true}) {
      Problem problem({.length = 61, .head_size = 32}, layer(1, 1));
      problem.constants.causal = causal;
      fill_with_spread(problem, nats, random);
      problem.run(scalar_table());
      for (int query = 0; query < 61; ++query) {
        for (int d = 0; d < 32; d += 5) require_close(problem, query, d, expected_softmax(problem, query, d));
      }
    }
  }
}

TEST_CASE("Clipped attention is clamp((zeta - gamma) softmax + gamma, 0, 1)", "[kernels]") {
  std::mt19937_64 random(2);
  for (Clipping clipping : {Clipping{-0.025, 1}, {-0.003, 1}, {-0.003, 1.003}, {-0.025, 1.003}, {0, 1}}) {
    for (double nats : {0.5, 4.0, 14.0, 40.0, 200.0}) {
      Problem problem({.length = 61, .head_size = 32}, clipped_layer(1, 1, clipping));
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
  std::mt19937_64 random(3);
  Problem problem({.length = 40, .head_size = 12, .gated = true}, layer(1, 1));
  fill_with_spread(problem, 5, random);
  fill(problem.gate, Fill::random, -32768, 32767, random);
  problem.run(scalar_table());
  for (int query = 0; query < 40; ++query) {
    const double gate = 1 / (1 + std::exp(-problem.gate_of(query) / 2048.0));
    for (int d = 0; d < 12; ++d) require_close(problem, query, d, expected_softmax(problem, query, d), gate);
  }
}

TEST_CASE("The exponential is within 2^-13.5 of 2^-x at every distance", "[kernels]") {
  // Two keys, the second at distance u from the first: Z = 32767 + e(u) decides the context of v = (127, 0).
  Problem problem({.length = 2, .head_size = 4, .queries = 1}, clipped_layer(1, 1, {0, 1}));
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
  Problem problem({.length = 1, .head_size = 4, .gated = true}, layer(1, 1));
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
  std::mt19937_64 random(4);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    Problem problem({.length = 1, .head_size = 20}, layer(1, 1));
    fill_with_spread(problem, 10, random);
    problem.run(named.table);
    for (int d = 0; d < 20; ++d) REQUIRE(problem.context(0, d) == 128 + problem.value(0, d));
  }
}

TEST_CASE("Wide probabilities keep what hundreds of small ones add beside an attention sink", "[kernels]") {
  // One key far ahead of 299 others, each of which has less than half of a 255th of its weight.
  for (const bool wide : {false, true}) {
    AttentionConstants constants = layer(0.001, 5);
    constants.wide = wide;
    for (const NamedTable& named : available_tables()) {
      CAPTURE(named.isa, wide);
      Problem problem({.length = 300, .head_size = 32}, constants);
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
      if (wide) REQUIRE(std::abs(problem.context(5, 0) - exact) < 0.02 * (exact - 128) + 0.5);
      else REQUIRE(problem.context(5, 0) == 128);
    }
  }
}

TEST_CASE("Wide probabilities of thousands of equal keys with extreme values add up exactly", "[kernels]") {
  AttentionConstants constants = layer(0.001, 1);
  constants.wide = true;
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    for (const int queries : {1, 5}) {
      Problem problem({.length = 2600, .head_size = 32, .queries = queries}, constants);
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
  std::mt19937_64 random(14);
  AttentionConstants eighth = layer(1, 8);  // a value's step is eight of the context's
  eighth.zero_point = 8 * 128 + 5;
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    Problem problem({.length = 1, .head_size = 20, .fine = true}, eighth);
    fill_with_spread(problem, 10, random);
    problem.value(0, 0) = 127, problem.value(0, 1) = -127;  // the ends of the codes
    problem.run(named.table);
    for (int d = 0; d < 20; ++d) REQUIRE(8 * problem.context(0, d) + problem.fine(0, d) == 8 * 128 + 5 + 8 * problem.value(0, d));
    problem.constants.zero_point = 0;
    problem.run(named.table);
    REQUIRE(8 * problem.context(0, 1) + problem.fine(0, 1) == 0);
    problem.constants.zero_point = 2040;
    problem.run(named.table);
    REQUIRE(8 * problem.context(0, 0) + problem.fine(0, 0) == 2047);
  }
}

TEST_CASE("A key far ahead of all others gives its value", "[kernels]") {
  std::mt19937_64 random(5);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    Problem problem({.length = 50, .head_size = 64}, layer(0.01, 1));
    fill(problem.v, Fill::random, -127, 127, random);
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
    Problem problem({.length = 96, .head_size = 4}, layer(1e-4, 1));
    for (int key = 0; key < 96; ++key) problem.value(key, 0) = static_cast<int8_t>(key % 2 == 0 ? 20 : 40);
    problem.run(named.table);
    REQUIRE(problem.context(7, 0) == 128 + 30);
    REQUIRE(problem.context(7, 1) == 128);
  }
}

TEST_CASE("A row that clipping empties gives the zero point", "[kernels]") {
  std::mt19937_64 random(6);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    Problem problem({.length = 64, .head_size = 8}, clipped_layer(1e-4, 1, {-0.025, 1}));  // 1.025 / 64 < 0.025
    fill(problem.v, Fill::highest, -127, 127, random);
    problem.run(named.table);
    for (int query = 0; query < 64; ++query) REQUIRE(problem.context(query, 3) == 128);
  }
}

TEST_CASE("A causal query's context does not depend on later keys", "[kernels]") {
  std::mt19937_64 random(7);
  Problem whole({.length = 75, .head_size = 20}, layer(1, 1));
  whole.constants.causal = true;
  fill_with_spread(whole, 9, random);
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    whole.run(named.table);
    for (int length : {1, 2, 31, 32, 33, 64, 74}) {
      Problem part({.length = length, .head_size = 20}, whole.constants);
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

// Seven levels from 1e-3 on, each 2.68 times the one below, and contexts in units of V.
const AttentionLevels kThreeBits = [] {
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

// Keys of which key i has the score `scores[i]` for the one query, and values 100 for key `marked` and 0 for the others.
Problem scored(const AttentionConstants& constants, const std::vector<int>& scores, int marked) {
  Problem problem({.length = static_cast<int>(scores.size()), .head_size = 4, .queries = 1}, constants);
  problem.constants.query_zero_point = 100;
  for (int d = 0; d < 4; ++d) problem.query(0, d) = static_cast<uint8_t>(d == 0 ? 101 : 100);
  for (size_t i = 0; i < scores.size(); ++i) problem.key(static_cast<int>(i), 0) = static_cast<int8_t>(scores[i]);
  problem.value(marked, 0) = 100;
  return problem;
}

// exp(x) / (1 + sum exp(x)) of one score of a row; a step of score is `nats`.
double softmax1(const std::vector<int>& scores, size_t which, double nats) {
  double sum = 1;
  for (const int score : scores) sum += std::exp(score * nats);
  return std::exp(scores[which] * nats) / sum;
}

TEST_CASE("Softmax-1 has 1 more in its sum, whether scores are positive or negative", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    for (const std::vector<int>& scores : {std::vector<int>{0}, {20, -10}, {-60, -50, -60}, {127, 3}, {-127, -127}, {0, 0, 0}}) {
      AttentionConstants constants = clipped_layer(0.02, 1, {0, 1});
      constants.softmax1 = true;
      Problem problem = scored(constants, scores, 0);
      problem.run(named.table);
      CAPTURE(scores);
      REQUIRE(problem.context(0, 0) == Approx(128 + 100 * softmax1(scores, 0, 0.02)).margin(0.8));
    }
    AttentionConstants constants = clipped_layer(0.02, 1, {-0.025, 1});
    constants.softmax1 = true;
    Problem clipped = scored(constants, {-100, -80}, 1);
    clipped.run(named.table);
    REQUIRE(clipped.context(0, 0) == Approx(128 + 100 * (1.025 * softmax1({-100, -80}, 1, 0.02) - 0.025)).margin(0.8));
  }
}

TEST_CASE("Probabilities up to the threshold are zero, and the others are not made larger for it", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    AttentionConstants constants = clipped_layer(0.02, 1, {0, 1});
    const std::vector<int> scores = {100, 50, 0, 40};  // 0.59, 0.22, 0.08, 0.18 of 12.3
    const auto context_of = [&](int key, double tau) {
      constants.prune = static_cast<uint32_t>(std::round(std::ldexp(tau, 31)));
      Problem problem = scored(constants, scores, key);
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
      Problem problem = scored(constants, scores, key);
      problem.run(named.table);
      CHECK(problem.context(0, 0) - 128 == Approx(100 * levels[key]).margin(0.75));
    }
  }
}

// Any layer within the contract.
AttentionConstants random_layer(std::mt19937_64& random) {
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  const Clipping clippings[] = {{-0.025, 1}, {-0.003, 1.003}, {0, 1}, {-0.3, 1.2}, {-0.0001, 1}};
  AttentionConstants constants = layer(1, 1);
  if (pick(0, 1) == 1) constants = clipped_layer(1, 1, clippings[pick(0, 4)]);
  constants.causal = pick(0, 1) == 1;
  constants.query_zero_point = pick(0, 3) == 0 ? pick(0, 1) * 255 : pick(0, 255);
  constants.score_multiplier = static_cast<uint16_t>(pick(32768, 65535));
  constants.score_shift = pick(0, 3) == 0 ? pick(-8, 23) : pick(0, 8);
  constants.multiplier = pick(1 << 30, 2147483647);
  constants.wide = !constants.clipped && pick(0, 2) == 0;
  constants.shift = constants.clipped ? pick(34, 40) : pick(27, 46);
  constants.zero_point = pick(0, 255);
  if (constants.clipped) {
    constants.softmax1 = pick(0, 1) == 1;
    constants.prune = static_cast<uint32_t>(pick(0, 1) == 1 ? pick(0, pick(0, 1) == 1 ? 1 << 24 : 1 << 29) : 0);
    if (pick(0, 2) == 0) constants.levels = &kThreeBits;
  }
  return constants;
}

Shape random_shape(int length, int head_size, std::mt19937_64& random) {
  const auto pick = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); };
  Shape shape = {.length = length, .head_size = head_size};
  shape.gated = pick(0, 1) == 1;
  shape.context_row = pick(0, 40);
  shape.context_head = pick(0, 3);
  shape.tile_order = pick(0, 1) == 1;
  shape.fine = pick(0, 2) == 0;
  if (pick(0, 1) == 1) {
    shape.first_query = pick(0, length - 1);
    shape.queries = pick(1, pick(0, 1) == 1 ? 3 : length - shape.first_query);  // a decoding step has few
  }
  return shape;
}

void require_equal_everywhere(int length, int head_size, std::mt19937_64& random) {
  const Fill fills[] = {Fill::random, Fill::random, Fill::random, Fill::extremes, Fill::highest, Fill::lowest};
  const auto any_fill = [&] { return fills[random() % 6]; };
  Problem problem(random_shape(length, head_size, random), random_layer(random));
  const int narrow = random() % 2 == 0 ? 8 : 0;  // a few codes around the zero point: flat rows
  const int zero = std::clamp(problem.constants.query_zero_point, narrow, 255 - narrow);
  fill(problem.q, any_fill(), narrow ? zero - narrow : 0, narrow ? zero + narrow : 255, random);
  fill(problem.k, any_fill(), -127, 127, random);
  fill(problem.v, any_fill(), -127, 127, random);
  fill(problem.gate, any_fill(), -32768, 32767, random);
  const std::vector<uint8_t> expected = problem.run(scalar_table());
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa, length, head_size, problem.call().first_query, problem.call().queries, problem.constants.causal,
            problem.constants.clipped, problem.constants.score_shift, problem.call().gate != nullptr);
    REQUIRE((problem.run(named.table) == expected));
    REQUIRE(problem.intact());
  }
}

TEST_CASE("Every instruction set computes the scalar attention bit for bit and touches nothing else", "[kernels]") {
  std::mt19937_64 random(8);
  for (int head_size : {4, 12, 20, 32, 64, 80, 96, 128}) {
    for (int length = 1; length <= 70; ++length) {
      for (int repeat = 0; repeat < 3; ++repeat) require_equal_everywhere(length, head_size, random);
    }
    for (int length : {127, 128, 129, 300}) require_equal_everywhere(length, head_size, random);
  }
  for (int length : {1, 17, 64}) require_equal_everywhere(length, 256, random);
}

TEST_CASE("Shares of the keys give the context of the whole call, however many they are", "[kernels]") {
  std::mt19937_64 random(14);
  for (int length : {1, 2, 63, 64, 65, 130, 200, 700}) {
    for (int head_size : {4, 20, 64, 80, 128, 256}) {
      for (int shares : {1, 2, 3, 11}) {
        if (shares > (length + 63) / 64) continue;
        Shape shape = random_shape(length, head_size, random);
        shape.queries = std::min(1 + static_cast<int>(random() % 2), length);
        shape.first_query = std::min(shape.first_query, length - shape.queries);
        Problem problem(shape, random_layer(random));
        fill(problem.q, Fill::random, 0, 255, random);
        fill(problem.k, Fill::random, -127, 127, random);
        fill(problem.v, random() % 3 == 0 ? Fill::highest : Fill::random, -127, 127, random);
        fill(problem.gate, Fill::random, -32768, 32767, random);
        const std::vector<uint8_t> expected = problem.run(scalar_table());
        for (const NamedTable& named : available_tables()) {
          CAPTURE(named.isa, length, head_size, shares, problem.call().queries, problem.constants.wide, problem.constants.clipped);
          REQUIRE((problem.run_shares(named.table, shares, random) == expected));
          REQUIRE(problem.intact());
        }
      }
    }
  }
}

TEST_CASE("Queries behind past tokens have the context that they have in a call for all", "[kernels]") {
  std::mt19937_64 random(12);
  for (int length : {1, 2, 9, 33, 70}) {
    for (int past : {0, 1, 5, 31, 32, 69}) {
      for (int queries : {1, 2, 3, 40}) {
        if (past >= length) continue;
        Problem problem({.length = length, .head_size = 20, .first_query = past, .queries = queries, .gated = true}, random_layer(random));
        problem.constants.causal = true;
        fill(problem.q, Fill::random, 0, 255, random);
        fill(problem.k, Fill::random, -127, 127, random);
        fill(problem.v, Fill::random, -127, 127, random);
        fill(problem.gate, Fill::random, -32768, 32767, random);
        const std::vector<uint8_t> expected = problem.run(scalar_table());
        Attention& call = problem.call();
        call.past = past;
        call.first_query = 0;
        call.q += past * call.stride;
        call.gate += past * call.gate_stride;
        call.context_row += past;
        for (const NamedTable& named : available_tables()) {
          CAPTURE(named.isa, length, past, queries);
          REQUIRE((problem.run(named.table) == expected));
          REQUIRE(problem.intact());
        }
      }
    }
  }
}

TEST_CASE("Blocks of keys without a probability change no bit", "[kernels]") {
  std::mt19937_64 random(10);
  for (const bool causal : {false, true}) {
    Problem problem({.length = 330, .head_size = 32}, clipped_layer(0.002, 1, {-0.025, 1}));
    problem.constants.causal = causal;
    problem.constants.query_zero_point = 100;
    fill(problem.q, Fill::random, 150, 160, random);
    fill(problem.v, Fill::extremes, -127, 127, random);
    for (int key = 0; key < 330; ++key) {  // a few keys of every other block are ahead by far
      const bool ahead = key / 64 % 2 == 1 && key % 13 == 0;
      for (int d = 0; d < 32; ++d) problem.key(key, d) = static_cast<int8_t>(ahead ? 100 : -100);
    }
    const std::vector<uint8_t> expected = problem.run(scalar_table());
    for (const NamedTable& named : available_tables()) {
      CAPTURE(named.isa, causal);
      REQUIRE((problem.run(named.table) == expected));
      problem.constants.prune = 1 << 28;  // 0.125: all but rows of few keys are zero
      REQUIRE((problem.run(named.table) == problem.run(scalar_table())));
      problem.constants.prune = 0;
    }
  }
}

TEST_CASE("Every second block of 65536 keys without a probability changes no bit", "[kernels]") {
  std::mt19937_64 random(11);
  Problem problem({.length = 65536, .head_size = 4, .first_query = 65533}, clipped_layer(0.01, 1, {-1e-5, 1}));
  fill(problem.q, Fill::highest, 0, 255, random);
  fill(problem.v, Fill::random, -127, 127, random);
  for (int key = 0; key < 65536; ++key) {
    for (int d = 0; d < 4; ++d) problem.key(key, d) = static_cast<int8_t>(key / 64 % 2 == 0 ? 127 : -127);
  }
  const std::vector<uint8_t> expected = problem.run(scalar_table());
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    REQUIRE((problem.run(named.table) == expected));
    REQUIRE(problem.intact());
  }
}

TEST_CASE("Attention takes sequences of thousands of keys at the extremes of its inputs", "[kernels]") {
  std::mt19937_64 random(9);
  for (bool clipped : {false, true}) {
    const AttentionConstants constants = clipped ? clipped_layer(1e-9, 1, {-1e-9, 1}) : layer(1e-9, 1);
    for (int queries : {1, 3}) {  // keys as they lie, and packed
      Problem problem({.length = 65536, .head_size = 4, .first_query = 65536 - queries}, constants);
      fill(problem.q, Fill::highest, 0, 255, random);
      fill(problem.k, Fill::extremes, -127, 127, random);
      fill(problem.v, Fill::highest, -127, 127, random);
      for (const NamedTable& named : available_tables()) {
        CAPTURE(named.isa, clipped, queries);
        problem.run(named.table);
        REQUIRE(problem.context(65535, 0) == 255);
        REQUIRE(problem.intact());
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
