// Attention kernels of every instruction set against the scalar one, in one call and in shares of the keys.
#include "tests/kernels/attention_support.h"

namespace octavo::test {
namespace {

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
          CAPTURE(named.isa, length, head_size, shares, problem.call().queries, problem.constants.wide,
                  problem.constants.clipped);
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
        Problem problem({.length = length, .head_size = 20, .first_query = past, .queries = queries, .gated = true},
                        random_layer(random));
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
