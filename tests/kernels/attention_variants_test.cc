// Sinks and gates per element: kernels against formulas in double.
#include "tests/kernels/attention_support.h"

namespace octavo::test {
namespace {

// exp(x) / (exp(sink) + sum exp(x)) of one score of a row; a step of score is `nats`.
double with_sink(const std::vector<int>& scores, size_t which, int sink, double nats) {
  double sum = std::exp(sink * nats);
  for (const int score : scores) sum += std::exp(score * nats);
  return std::exp(scores[which] * nats) / sum;
}

TEST_CASE("A sink, of which 0 is softmax-1, takes its part of the sum", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    for (const int sink : {0, 60, -40}) {
      for (const std::vector<int>& scores :
           {std::vector<int>{0}, {20, -10}, {-60, -50, -60}, {127, 3}, {-127, -127}, {0, 0, 0}}) {
        AttentionProblem problem = scored(clipped_layer(0.02, 1, {0, 1}), scores, 0, sink);
        problem.constants.least_top = sink == 0 ? 32767 : 0;
        problem.run(named.table);
        CAPTURE(scores, sink);
        REQUIRE(problem.context(0, 0) == Approx(128 + 100 * with_sink(scores, 0, sink, 0.02)).margin(0.8));
      }
    }
    AttentionProblem clipped = scored(clipped_layer(0.02, 1, {-0.025, 1}), {-100, -80}, 1, 0);
    clipped.run(named.table);
    REQUIRE(clipped.context(0, 0) ==
            Approx(128 + 100 * (1.025 * with_sink({-100, -80}, 1, 0, 0.02) - 0.025)).margin(0.8));
  }
}

TEST_CASE("What a sink leaves has codes of its own, however little it is", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    CAPTURE(named.isa);
    // 64 keys that have 1 / 1088 each: less than half of a step of 255, had the sink a code
    AttentionConstants constants = clipped_layer(0.1, 16, {0, 1});
    AttentionProblem problem({.length = 64, .head_size = 4, .queries = 1, .sink = true}, constants);
    problem.sink[0] = static_cast<int>(std::lround(std::log(1024) / 0.1));
    for (int key = 0; key < 64; ++key) problem.value(key, 0) = 100;
    problem.run(named.table);
    REQUIRE(problem.context(0, 0) == Approx(128 + 1600.0 * 64 / 1088).margin(4.0));
    problem.constants.least_top = 32767;
    problem.run(named.table);
    REQUIRE(problem.context(0, 0) == 128);
  }
}

TEST_CASE("A gate per element multiplies the context before it is rounded to codes", "[kernels]") {
  for (const NamedTable& named : available_tables()) {
    for (const int fraction : {0, 3}) {
      CAPTURE(named.isa, fraction);
      AttentionProblem problem({.length = 3, .head_size = 20, .element_gated = true},
                               layer(0.02, 5.0 * (1 << fraction)));
      problem.constants.gate_fraction = fraction;
      for (int i = 0; i < 60; ++i) {
        problem.value(i / 20, i % 20) = static_cast<int8_t>(5 * (i % 20) - 50);
        problem.element_gate[static_cast<size_t>(i)] = static_cast<int16_t>(i * 555);
      }
      problem.run(named.table);
      for (int i = 0; i < 60; ++i) {
        const double gated = 128 + 5.0 * (5 * (i % 20) - 50) * (i * 555) / 32768;
        REQUIRE(problem.context(i / 20, i % 20) ==
                Approx(std::clamp(gated, 0.0, 255.0)).margin(fraction > 0 ? 0.7 : 1.1));
      }
    }
  }
}

}  // namespace
}  // namespace octavo::test
