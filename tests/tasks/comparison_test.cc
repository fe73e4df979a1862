// How close what two models answer is.
#include "octavo/comparison.h"

#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>

namespace octavo::test {
namespace {

Tensor matrix(std::int64_t columns, const std::vector<float>& values) {
  Tensor tensor(DType::f32, {std::ssize(values) / columns, columns});
  std::copy(values.begin(), values.end(), tensor.writable<float>().begin());
  return tensor;
}

}  // namespace

TEST_CASE("closeness is the mean and the lowest cosine over pairs of rows") {
  Closeness closeness;
  closeness.add(matrix(2, {1, 0, 3, 4}), matrix(2, {2, 0, 4, 3}));
  CHECK(closeness.count() == 2);
  CHECK(closeness.mean() == Approx((1 + 0.96) / 2));
  CHECK(closeness.lowest() == Approx(0.96));
  closeness.add(matrix(2, {1, 0, 1, 0}), matrix(2, {-5, 0, 1, 0}));
  CHECK(closeness.lowest() == Approx(-1));
  CHECK_THROWS_AS(closeness.add(matrix(2, {1, 0}), matrix(1, {1, 0})), Error);
}

TEST_CASE("a zero vector is like another zero vector and unlike the rest") {
  const std::vector<float> zero = {0, 0}, one = {0, 1};
  CHECK(similarity(zero, zero) == 1.0);
  CHECK(similarity(zero, one) == 0.0);
}

TEST_CASE("a comparison is of logits where a model has a head for them, else of embeddings, sample by sample") {
  Workspace workspace({.threads = 1});
  const auto closeness = [&](const Model& exact, const Model& quantized, const auto& first, const auto& second) {
    const Engine reference(exact);
    Comparison comparison;
    comparison.add(reference, first, workspace);
    comparison.add(reference, second, workspace);
    CHECK(comparison.closeness(reference, workspace).lowest() > 1.0 - 1e-9);
    return comparison.closeness(Engine(quantized), workspace);
  };
  Closeness embeddings, next_tokens, classes;
  const TokenBatch texts[] = {random_batch(3, 20, 50, 1), random_batch(2, 20, 50, 2)};
  const ImageBatch pictures[] = {random_images(2, 32, 1), random_images(1, 32, 2)};
  const Model bert = tiny_model(), bert8 = quantized_tiny_model(), opt = TinyOpt().model(), opt8 = quantized_tiny_opt(),
              vit = TinyVit().model(), vit8 = quantized_tiny_vit();
  for (const TokenBatch& batch : texts) {
    embeddings.add(embed(Engine(bert8), batch, workspace), embed(Engine(bert), batch, workspace));
    next_tokens.add(Engine(opt8).logits(batch, workspace), Engine(opt).logits(batch, workspace));
  }
  for (const ImageBatch& batch : pictures)
    classes.add(Engine(vit8).logits(batch, workspace), Engine(vit).logits(batch, workspace));
  const auto same = [](const Closeness& found, const Closeness& expected) {
    CHECK(found.count() == expected.count());
    CHECK(found.mean() == expected.mean());
    CHECK(found.lowest() == expected.lowest());
    CHECK(found.lowest() < 1.0 - 1e-6);
  };
  same(closeness(bert, bert8, texts[0], texts[1]), embeddings);
  same(closeness(opt, opt8, texts[0], texts[1]), next_tokens);
  same(closeness(vit, vit8, pictures[0], pictures[1]), classes);
}

TEST_CASE("a model that classifies texts answers with embeddings, since two logits point one way or the other") {
  TinyBert bert({.pooler = true});
  bert.add("classifier.weight", {2, 48}, 0.2f);
  bert.add("classifier.bias", {2}, 0.5f);
  const Engine engine(bert.model());
  Workspace workspace({.threads = 1});
  REQUIRE(engine.model().info().classes == 2);
  CHECK(!answers_logits(engine.model().info()));
  CHECK(answer(engine, random_batch(3, 20, 50), workspace).shape() == Tensor::Shape{3, 48});
  CHECK(answers_logits(TinyVit().model().info()));
}

}  // namespace octavo::test
