// KvCache: what it holds, that copies are independent, and what it refuses.
#include "octavo/kv_cache.h"

#include "tests/support/compare.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

namespace octavo::test {
namespace {

Tensor decode(const Engine& engine, const std::vector<std::int32_t>& ids, KvCache& cache) {
  Workspace workspace({.threads = 1});
  KvCache* const caches[] = {&cache};
  return engine.decode({{{.ids = ids}}}, caches, workspace);
}

}  // namespace

TEST_CASE("a cache counts its tokens, of at most its capacity, which by default is the model's") {
  const Model model = quantized_tiny_opt();
  const Engine engine(model);
  KvCache cache(model, 6), whole(model);
  CHECK(cache.length() == 0);
  CHECK(cache.capacity() == 6);
  CHECK(whole.capacity() == 40);
  CHECK(whole.bytes() == 2u * 2 * 48 * 40);  // layers, keys and values, columns, tokens
  CHECK(cache.bytes() * 40 == whole.bytes() * 6);
  decode(engine, {1, 2, 3, 4}, cache);
  CHECK(cache.length() == 4);
  CHECK_THROWS_WITH(decode(engine, {5, 6, 7}, cache), Catch::Contains("capacity of 6"));
  CHECK(cache.length() == 4);  // as it was
  decode(engine, {5, 6}, cache);
  CHECK(cache.length() == 6);
}

TEST_CASE("a copy of a cache goes its own way, and one that is truncated forgets the rest, in INT8 and in float32") {
  for (const Model& model : {quantized_tiny_opt(), TinyOpt().model()}) {
    const Engine engine(model);
    Workspace workspace({.threads = 1});
    KvCache cache(model);
    decode(engine, {1, 2, 3}, cache);
    KvCache copy = cache;
    decode(engine, {60, 61}, copy);
    CHECK(cache.length() == 3);
    CHECK(equal_bytes(decode(engine, {4}, cache), engine.logits({{{.ids = {1, 2, 3, 4}}}}, workspace)));
    CHECK(equal_bytes(decode(engine, {4}, copy), engine.logits({{{.ids = {1, 2, 3, 60, 61, 4}}}}, workspace)));
    copy.truncate(2);
    CHECK(copy.length() == 2);
    CHECK(equal_bytes(decode(engine, {9}, copy), engine.logits({{{.ids = {1, 2, 9}}}}, workspace)));
    copy = cache;
    CHECK(copy.length() == 4);
    copy.truncate(0);
    CHECK(equal_bytes(decode(engine, {9}, copy), engine.logits({{{.ids = {9}}}}, workspace)));
  }
}

TEST_CASE("a cache for a model that needs none, beyond its limit, or whose gates read ahead is an error") {
  const Model model = quantized_tiny_opt();
  CHECK_THROWS_WITH(KvCache(tiny_model()), Catch::Contains("does not predict the next token"));
  CHECK_THROWS_WITH(KvCache(model, 41), Catch::Contains("capacity is 41, expected 1 to the model's limit of 40"));
  CHECK_THROWS_WITH(KvCache(model, -1), Catch::Contains("capacity is -1"));
  const Model means = TinyOpt({.gate_type = "conditional_per_head"}).model();
  CHECK_THROWS_WITH(KvCache(means), Catch::Contains("conditional_per_head"));
  KvCache cache(model, 6);
  CHECK_THROWS_WITH(cache.truncate(1), Catch::Contains("0 tokens cannot be truncated to 1"));
  CHECK_THROWS_WITH(cache.truncate(-1), Catch::Contains("cannot be truncated to -1"));
}

}  // namespace octavo::test
