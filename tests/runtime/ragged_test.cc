// make_ragged(): what lies where in a batch, and batches that a model cannot take.
#include "runtime/ragged.h"

#include "tests/support/support.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"

namespace octavo::test {
namespace {

const ModelInfo kText = {.name = "text", .vocab_size = 10, .type_vocab_size = 2, .max_positions = 4, .softmax = {}};

using Ids = std::vector<std::int32_t>;

}  // namespace

TEST_CASE("sequences lie one behind the other, each with positions from 0 on, and type 0 where none is given") {
  const RaggedBatch batch = make_ragged({{{.ids = {7, 8, 9}}, {.ids = {1}, .type_ids = {1}}, {.ids = {2, 3}}}}, kText);
  CHECK(batch.ids == Ids{7, 8, 9, 1, 2, 3});
  CHECK(batch.types == Ids{0, 0, 0, 1, 0, 0});
  CHECK(batch.positions == Ids{0, 1, 2, 0, 0, 1});
  CHECK(batch.start == Ids{0, 3, 4, 6});
  CHECK(batch.rows() == 6);
  CHECK(batch.sequences() == 3);
  CHECK(batch.length(1) == 1);
  CHECK(batch.past(2) == 0);
}

TEST_CASE("a sequence that the model cannot take is named by its number") {
  const auto refuse = [](const Tokens& second, const std::string& message) {
    CHECK_THROWS_WITH(make_ragged({{{.ids = {1}}, second}}, kText), Catch::Contains(message));
  };
  refuse({.ids = {}}, "sequence 1 of the batch has no tokens");
  refuse({.ids = {1, 2, 3, 4, 5}}, "sequence 1 has 5 tokens, the model takes at most 4");
  refuse({.ids = {10}}, "sequence 1 has token id 10, the vocabulary has ids 0 to 9");
  refuse({.ids = {-1}}, "sequence 1 has token id -1");
  refuse({.ids = {1, 2}, .type_ids = {0}}, "sequence 1 has 1 type ids for 2 tokens");
  refuse({.ids = {1}, .type_ids = {2}}, "sequence 1 has type id 2, the model has 2 token types");
  refuse({.ids = {1}, .type_ids = {-1}}, "sequence 1 has type id -1");
  CHECK_THROWS_WITH(make_ragged(TokenBatch{}, kText), Catch::Contains("the batch has no sequences"));
  ModelInfo untyped = kText;
  untyped.type_vocab_size = 0;
  CHECK_NOTHROW(make_ragged({{{.ids = {1}, .type_ids = {0}}}}, untyped));  // tokenizers say 0 for every model
  CHECK_THROWS_WITH(make_ragged({{{.ids = {1}, .type_ids = {1}}}}, untyped), Catch::Contains("0 token types"));
}

TEST_CASE("tokens with a cache have the positions behind what it holds") {
  const Model model = TinyOpt().model();
  KvCache first(model), second(model, 5);
  data_of(first).length = 3;
  data_of(first).ids = {4, 4, 4};
  KvCache* const caches[] = {&first, &second};
  const RaggedBatch batch = make_ragged({{{.ids = {1, 2}}, {.ids = {5}}}}, caches, model);
  CHECK(batch.positions == Ids{3, 4, 0});
  CHECK(batch.past(0) == 3);
  CHECK(batch.past(1) == 0);
}

TEST_CASE("a cache that is missing, shared, full or of another model is named by its sequence") {
  const Model model = TinyOpt().model();
  KvCache cache(model, 5), other(model, 5), foreign(quantized_tiny_opt());
  const TokenBatch two{{{.ids = {1, 2, 3}}, {.ids = {4}}}};
  const auto refuse = [&](const std::vector<KvCache*>& caches, const std::string& message) {
    CHECK_THROWS_WITH(make_ragged(two, caches, model), Catch::Contains(message));
  };
  refuse({&cache}, "there are 1 caches for 2 sequences");
  refuse({&cache, nullptr}, "the cache of sequence 1 is missing");
  refuse({&cache, &cache}, "the cache of sequence 1 is that of another one, too");
  refuse({&cache, &foreign}, "the cache of sequence 1 was made for another model");
  data_of(cache).length = 3;
  refuse({&cache, &other}, "the cache of sequence 0 holds 3 tokens, 3 more do not fit its capacity of 5");
}

TEST_CASE("images are used where they are, and have the model's size") {
  const ModelInfo info = TinyVit().model().info();
  const ImageBatch images = random_images(2, 32);
  const RaggedBatch batch = make_ragged(images, info);
  CHECK(batch.pixels ==
        std::vector<const std::uint8_t*>{images.images[0].pixels.data(), images.images[1].pixels.data()});
  CHECK(batch.start == Ids{0, 17, 34});
  CHECK(batch.prefix == 1);
  CHECK_THROWS_WITH(make_ragged(random_images(1, 31), info), Catch::Contains("image 0 of the batch is 31 x 31"));
  ImageBatch cut = images;
  cut.images[1].pixels.pop_back();
  CHECK_THROWS_WITH(make_ragged(cut, info), Catch::Contains("image 1 of the batch is 32 x 32 with 3071 bytes"));
  CHECK_THROWS_WITH(make_ragged(ImageBatch{}, info), Catch::Contains("the batch has no images"));
}

TEST_CASE("a model of text takes no images, and one of images no text") {
  CHECK_THROWS_WITH(make_ragged(random_images(1, 32), kText), Catch::Contains("text takes tokens, not images"));
  CHECK_THROWS_WITH(make_ragged({{{.ids = {1}}}}, TinyVit().model().info()),
                    Catch::Contains("takes images, not tokens"));
}

}  // namespace octavo::test
