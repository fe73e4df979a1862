// Attention kernels of every instruction set against the scalar one, in one call and in splits of the keys.
#include "tests/kernels/attention_support.h"

namespace octavo::test {
namespace {

TEST_CASE("Every instruction set computes the scalar attention bit for bit and touches nothing else", "[kernels]") {
  Random random(8);
  const auto require_equal = [&](int length, int head_size) {
    AttentionProblem problem = random_attention({.length = length, .head_size = head_size}, random);
    CAPTURE(length, head_size, problem.args.first_query, problem.args.queries, problem.constants.causal,
            problem.constants.clipped, problem.constants.score_shift, problem.args.gate != nullptr);
    require_scalar_bytes(problem);
  };
  for (int head_size : {4, 12, 20, 32, 64, 80, 96, 128}) {
    for (int length = 1; length <= 70; ++length) {
      for (int repeat = 0; repeat < 3; ++repeat) require_equal(length, head_size);
    }
    for (int length : {127, 128, 129, 300}) require_equal(length, head_size);
  }
  for (int length : {1, 17, 64}) require_equal(length, 256);
}

TEST_CASE("Splits of the keys give the context of the whole call, however many they are", "[kernels]") {
  Random random(14);
  for (int length : {1, 2, 63, 64, 65, 130, 200, 700}) {
    for (int head_size : {4, 20, 64, 80, 128, 256}) {
      for (int splits : {1, 2, 3, 11}) {
        if (splits > (length + 63) / 64) continue;
        AttentionProblem problem = random_attention(
            {.length = length, .head_size = head_size, .queries = kDecodeQueries, .splits = 0}, random);
        CAPTURE(length, head_size, splits, problem.args.queries, problem.constants.u16_probabilities,
                problem.constants.clipped);
        const Bytes whole = problem.run(scalar_table());
        problem.use_splits(splits, random);
        REQUIRE((problem.run(scalar_table()) == whole));
        require_scalar_bytes(problem);
      }
    }
  }
}

TEST_CASE("Queries behind past tokens have the context that they have in a call for all", "[kernels]") {
  Random random(12);
  for (int length : {1, 2, 9, 33, 70}) {
    for (int past : {0, 1, 5, 31, 32, 69}) {
      for (int queries : {1, 2, 3, 40}) {
        if (past >= length) continue;
        AttentionConstants constants = layer(1, 1);
        constants.causal = true;
        AttentionProblem problem(
            {.length = length, .head_size = 20, .first_query = past, .queries = queries, .gated = true}, constants);
        set_score_scale(problem.constants, 1e-4);
        fill(problem.q, Fill::uniform, 0, 255, random);
        fill(problem.k, Fill::uniform, -127, 127, random);
        fill(problem.v, Fill::uniform, -127, 127, random);
        fill(problem.gate, Fill::uniform, -32768, 32767, random);
        const Bytes expected = problem.run(scalar_table());
        problem.put_behind(past);
        CAPTURE(length, past, queries);
        REQUIRE((problem.run(scalar_table()) == expected));
        require_scalar_bytes(problem);
      }
    }
  }
}

TEST_CASE("Blocks of keys without a probability change no bit", "[kernels]") {
  Random random(10);
  for (const bool causal : {false, true}) {
    AttentionProblem problem({.length = 330, .head_size = 32}, clipped_layer(0.002, 1, {-0.025, 1}));
    problem.constants.causal = causal;
    problem.constants.query_zero_point = 100;
    fill(problem.q, Fill::uniform, 150, 160, random);
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
  Random random(11);
  AttentionProblem problem({.length = 65536, .head_size = 4, .first_query = 65533}, clipped_layer(0.01, 1, {-1e-5, 1}));
  fill(problem.q, Fill::highest, 0, 255, random);
  fill(problem.v, Fill::uniform, -127, 127, random);
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
  Random random(9);
  for (bool clipped : {false, true}) {
    const AttentionConstants constants = clipped ? clipped_layer(1e-9, 1, {-1e-9, 1}) : layer(1e-9, 1);
    for (int queries : {1, 3}) {  // keys as they lie, and packed
      AttentionProblem problem({.length = 65536, .head_size = 4, .first_query = 65536 - queries}, constants);
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
