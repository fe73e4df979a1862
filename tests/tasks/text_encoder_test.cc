// Texts to embeddings in one object: that it gives what its parts give, in the order of the texts, whoever else calls.
#include "octavo/text_encoder.h"

#include "tests/support/compare.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/small_tokenizers.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <thread>

namespace octavo::test {
namespace {

/// A tiny model with the small WordPiece tokenizer and a prompt "query".
Model small_encoder() {
  TemporaryDirectory directory;
  TinyBert().write(directory.path());
  write_bytes(directory / "tokenizer.json", small_tokenizer().dump());
  write_bytes(directory / "config_sentence_transformers.json", R"({"prompts": {"query": "a b c "}})");
  write_bytes(directory / "modules.json",
              R"([{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
                  {"idx": 1, "name": "1", "path": "pool", "type": "sentence_transformers.models.Pooling"}])");
  write_bytes(directory / "pool/config.json", R"({"word_embedding_dimension": 48, "pooling_mode_mean_tokens": true})");
  return Model::from_checkpoint(directory.path());
}

/// More texts than a batch has, of lengths from nothing to more than the model takes.
std::vector<std::string> many_texts() {
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 75; ++i) {
    std::string& text = texts.emplace_back();
    for (std::size_t word = 0; word < i * 7 % 100; ++word) text += word % (i % 5 + 2) == 0 ? "hello " : "unaffable ";
  }
  return texts;
}

}  // namespace

TEST_CASE("an encoder gives each text the embedding that it has alone, in the order of the texts") {
  const Model model = small_encoder();
  const Engine engine(model);
  const TextPreprocessor preprocessor(model);
  Workspace workspace({.threads = 1});
  TextEncoder encoder(model, {.threads = 2});
  const std::vector<std::string> texts = many_texts();
  const Tensor embeddings = encoder.encode(texts);
  REQUIRE(embeddings.shape() == Tensor::Shape{75, 48});
  for (std::size_t i = 0; i < texts.size(); ++i) {
    INFO(i);
    const Tensor alone = embed(engine, {{preprocessor.encode(texts[i])}}, workspace);
    REQUIRE(largest_difference(embeddings.row<float>(static_cast<std::int64_t>(i)), alone.as<float>()) < 1e-6);
  }
  CHECK(encoder.encode({}).shape() == Tensor::Shape{0, 48});
}

TEST_CASE("an encoder's options are those of the text and of the embedding") {
  TextEncoder encoder(small_encoder(), {.threads = 1});
  const Tensor prompted = encoder.encode({"a b c hello"});
  CHECK(equal_bytes(encoder.encode({"hello"}, {.prompt_name = "query"}), prompted));
  CHECK(equal_bytes(encoder.encode({"hello"}, {.prompt = "a b c "}), prompted));
  CHECK_FALSE(equal_bytes(encoder.encode({"hello"}), prompted));
  CHECK(equal_bytes(encoder.encode({"hello a b"}, {.max_length = 3}), encoder.encode({"hello"})));
  const Tensor cut = encoder.encode({"hello"}, {}, {.normalize = true, .truncate_dim = 8});
  REQUIRE(cut.shape() == Tensor::Shape{1, 8});
  CHECK(similarity(cut.row<float>(0), cut.row<float>(0), Similarity::dot) == Approx(1.0).epsilon(1e-6));
  CHECK_THROWS_WITH(encoder.encode({"a"}, {.prompt_name = "passage"}), Catch::Contains("\"passage\", it has query"));
  CHECK_THROWS_WITH(encoder.encode({"a"}, {}, {.truncate_dim = 49}), Catch::Contains("49"));
}

TEST_CASE("similarity has a row for each embedding of the first, a column for each of the second") {
  TextEncoder encoder(small_encoder(), {.threads = 1});
  const Tensor first = encoder.encode({"hello", "a b"}), second = encoder.encode({"x", "a b", "!"});
  const Tensor closeness = encoder.similarity(first, second);
  REQUIRE(closeness.shape() == Tensor::Shape{2, 3});
  CHECK(closeness.row<float>(1)[1] == Approx(1.0f).epsilon(1e-6));
  CHECK(closeness.row<float>(0)[2] == Approx(similarity(first.row<float>(0), second.row<float>(2))));
  CHECK_THROWS_WITH(encoder.similarity(first, encoder.encode({"a"}, {}, {.truncate_dim = 8})),
                    Catch::Contains("48 and 8"));
}

TEST_CASE("a sparse embedding is ln(1 + x) of the logits above 0, the largest or the sum over all tokens of a text") {
  const Model model = GoldenTasks().model("masks");
  TextEncoder encoder(model, {.threads = 2});
  const std::vector<std::string> texts = {"the cat sat on the mat", "a river", ""};
  const TextPreprocessor preprocessor(model);
  Workspace workspace({.threads = 1});
  for (const SparsePooling pooling : {SparsePooling::max, SparsePooling::sum}) {
    for (const SparseActivation activation : {SparseActivation::relu, SparseActivation::log1p_relu}) {
      const auto found = encoder.encode_sparse(texts, {}, SparseInfo{pooling, activation});
      REQUIRE(found.size() == texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const Tensor logits = Engine(model).output("logits", {{preprocessor.encode(texts[i])}}, workspace);
        std::vector<double> values(static_cast<std::size_t>(logits.columns()));
        for (std::int64_t row = 0; row < logits.rows(); ++row) {
          for (std::size_t j = 0; j < values.size(); ++j) {
            double value = std::log1p(std::max(static_cast<double>(logits.row<float>(row)[j]), 0.0));
            if (activation == SparseActivation::log1p_relu) value = std::log1p(value);
            values[j] = pooling == SparsePooling::max ? std::max(values[j], value) : values[j] + value;
          }
        }
        std::size_t next = 0;
        for (std::size_t j = 0; j < values.size(); ++j) {
          if (values[j] == 0.0) continue;
          REQUIRE(next < found[i].size());
          REQUIRE(found[i][next].id == static_cast<int>(j));
          REQUIRE(found[i][next++].value == Approx(values[j]).epsilon(1e-5).margin(1e-6));
        }
        CHECK(next == found[i].size());
      }
    }
  }
  CHECK_THROWS_WITH(TextEncoder(small_encoder()).encode_sparse({"a"}),
                    Catch::Contains("does not predict masked tokens"));
}

TEST_CASE("sparse embeddings in integers have the same bits with every instruction set, thread count and batch") {
  const Model model = GoldenTasks().model("masks");
  const TextPreprocessor preprocessor(model);
  Workspace workspace({.threads = 1});
  Calibrator calibrator(model);
  const std::vector<std::string> texts = {"the cat sat on the mat", "a river in Berlin", "Maria"};
  for (const std::string& text : texts) calibrator.observe({{preprocessor.encode(text)}}, workspace);
  const Model quantized = calibrator.quantize().model;
  for (const SparsePooling pooling : {SparsePooling::max, SparsePooling::sum}) {
    std::vector<std::vector<SparseValue>> first;
    for (const std::string_view isa : available_isas()) {
      for (const int threads : {1, 3}) {
        TextEncoder encoder(quantized, {.threads = threads, .isa = std::string(isa)});
        const auto found = encoder.encode_sparse(texts, {}, SparseInfo{.pooling_strategy = pooling});
        if (first.empty()) first = found;
        const auto equal = [](const SparseValue& a, const SparseValue& b) {
          return a.id == b.id && a.value == b.value;
        };
        for (std::size_t i = 0; i < texts.size(); ++i) {
          INFO(isa << ", " << threads << " threads: " << texts[i]);
          REQUIRE(!found[i].empty());
          CHECK(std::ranges::equal(found[i], first[i], equal));
          CHECK(std::ranges::equal(encoder.encode_sparse({texts[i]}, {}, SparseInfo{.pooling_strategy = pooling})[0],
                                   first[i], equal));
        }
      }
    }
  }
}

TEST_CASE("the pooler's output can stand in place of pooling") {
  const Model model = GoldenTasks().model("three_labels");
  TextEncoder encoder(model, {.threads = 1});
  Workspace workspace({.threads = 1});
  const Tensor pooled =
      Engine(model).output("pooler_output", {{TextPreprocessor(model).encode("the cat sat")}}, workspace);
  CHECK(equal_bytes(encoder.encode({"the cat sat"}, {}, {.pooler = true, .normalize = false}), pooled));
  const Tensor cut = encoder.encode({"the cat sat"}, {}, {.pooler = true, .normalize = true, .truncate_dim = 5});
  CHECK(similarity(cut.row<float>(0), pooled.row<float>(0).first(5)) == Approx(1.0).epsilon(1e-6));
  CHECK_THROWS_WITH(encoder.encode({"a"}, {}, {.pooling = {Pooling::cls}, .pooler = true}), Catch::Contains("exclude"));
  CHECK_THROWS_WITH(TextEncoder(small_encoder()).encode({"a"}, {}, {.pooler = true}), Catch::Contains("has no pooler"));
}

TEST_CASE("copies of an encoder can be called at the same time") {
  TextEncoder encoder(small_encoder(), {.threads = 1});
  const std::vector<std::string> texts = many_texts();
  const Tensor expected = encoder.encode(texts);
  TextEncoder copy = encoder;
  Tensor found;
  std::thread other([&] { found = copy.encode(texts); });
  CHECK(equal_bytes(encoder.encode(texts), expected));
  other.join();
  CHECK(equal_bytes(found, expected));
}

TEST_CASE("an encoder refuses models that read no texts, and says what they are") {
  CHECK_THROWS_WITH(TextEncoder(TinyVit().model()), Catch::Contains("takes pictures"));
  CHECK_THROWS_WITH(TextEncoder(TinyBert().model()), Catch::Contains("has no tokenizer"));
  CHECK_THROWS_WITH(TextEncoder("nowhere.octavo"), Catch::Contains("nowhere.octavo: no such file or directory"));
  CHECK_THROWS_WITH(TextEncoder(small_encoder(), {.isa = "mmx"}), Catch::Contains("mmx"));
  CHECK_THROWS_WITH(TextEncoder(small_encoder(), {.threads = -1}), Catch::Contains("threads is -1"));
}

}  // namespace octavo::test
