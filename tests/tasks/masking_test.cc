// Masked tokens: how many are chosen, what becomes of them, that the choice is the same everywhere; and their losses.
#include "octavo/masking.h"

#include "io/safetensors.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/small_tokenizers.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

namespace octavo::test {
namespace {

constexpr std::int32_t kCls = 2, kSep = 3, kMask = 4;  // of small_tokenizer()

Model model_with(const nlohmann::json& tokenizer, int vocab_size = 50) {
  const TemporaryDirectory directory;
  TinyBert({.vocab_size = vocab_size}).write(directory.path());
  write_bytes(directory / "tokenizer.json", tokenizer.dump());
  write_bytes(directory / "tokenizer_config.json", R"({"tokenizer_class": "PreTrainedTokenizerFast"})");
  return Model::from_checkpoint(directory.path());
}

/// [CLS] a b c a b c ... [SEP]
Tokens long_text(std::size_t count) {
  Tokens tokens{.ids = {kCls}};
  for (std::size_t i = 0; i < count; ++i) tokens.ids.push_back(5 + static_cast<std::int32_t>(i % 3));
  tokens.ids.push_back(kSep);
  return tokens;
}

/// [2, 3]
template <typename T>
Tensor matrix(const std::vector<T>& values) {
  Tensor tensor(dtype_of<T>(), {2, 3});
  std::ranges::copy(values, tensor.writable<T>().begin());
  return tensor;
}

}  // namespace

TEST_CASE("of the tokens that are not special 15 % are asked for: 80 % masked, 10 % another token, 10 % as they were") {
  constexpr std::size_t kCount = 200'000;
  const Tokens text = long_text(kCount);
  const MaskedTokens masked = mask_tokens(model_with(small_tokenizer()), text);
  REQUIRE(masked.labels.size() == text.ids.size());
  double chosen = 0, hidden = 0, kept = 0, others = 0, lowest = 50, highest = 0;
  for (std::size_t i = 0; i < text.ids.size(); ++i) {
    const std::int32_t id = masked.tokens.ids[i];
    if (masked.labels[i] == kNoLabel) {
      REQUIRE(id == text.ids[i]);
      continue;
    }
    REQUIRE(masked.labels[i] == text.ids[i]);
    REQUIRE((text.ids[i] != kCls && text.ids[i] != kSep));
    ++chosen;
    if (id == kMask) {
      ++hidden;
    } else if (id == text.ids[i]) {
      ++kept;
    } else {
      ++others;
      lowest = std::min<double>(lowest, id), highest = std::max<double>(highest, id);
    }
  }
  // A random token is the same one once in 36, and the mask token as often. Bounds are 4 standard deviations.
  CHECK(chosen / kCount == Approx(0.15).margin(0.0032));
  CHECK(hidden / chosen == Approx(0.8 + 0.1 / 36).margin(0.0095));
  CHECK(kept / chosen == Approx(0.1 + 0.1 / 36).margin(0.0075));
  CHECK(others / chosen == Approx(0.1 * 34 / 36).margin(0.007));
  CHECK(lowest == 0);
  CHECK(highest == 35);  // of the tokenizer, not of the model's longer table
}

TEST_CASE("a choice is that of the seed and the text's number, on every machine") {
  const Model model = model_with(small_tokenizer());
  const auto ids = [&](const MaskingOptions& options) { return mask_tokens(model, long_text(24), options).tokens.ids; };
  CHECK(ids({.share = 0.5, .seed = 3, .text = 7}) ==
        std::vector<std::int32_t>{2, 5, 6, 4, 5, 34, 7, 4, 6, 4, 4, 4, 7, 5, 4, 7, 5, 4, 14, 5, 6, 7, 5, 4, 7, 3});
  CHECK(ids({.share = 0.5, .seed = 3}) != ids({.share = 0.5, .seed = 3, .text = 7}));
  CHECK(ids({.share = 0.5, .seed = 3}) != ids({.share = 0.5, .seed = 4}));
  CHECK(ids({.share = 0.0}) == long_text(24).ids);
  const MaskedTokens all = mask_tokens(model, long_text(24), {.share = 1.0});
  CHECK(std::ranges::count(all.labels, kNoLabel) == 2);  // [CLS] and [SEP]
}

TEST_CASE("what cannot be masked is refused by name") {
  nlohmann::json maskless = small_tokenizer();
  maskless["added_tokens"] = nlohmann::json::array();
  maskless["model"]["vocab"].erase("[MASK]");
  maskless["model"]["vocab"]["[HIDDEN]"] = kMask;
  CHECK_THROWS_WITH(mask_tokens(model_with(maskless), long_text(3)), Catch::Contains("has no mask_token"));
  CHECK_THROWS_WITH(mask_tokens(tiny_model(), long_text(3)), Catch::Contains("has no tokenizer"));
  CHECK_THROWS_WITH(mask_tokens(model_with(small_tokenizer(), 4), long_text(3)),
                    Catch::Contains("[MASK] is token 4, which the model does not have"));
  const Model model = model_with(small_tokenizer());
  CHECK_THROWS_WITH(mask_tokens(model, long_text(3), {.share = 1.5}), Catch::Contains("share"));
  CHECK_THROWS_WITH(mask_tokens(model, {.ids = {36}}), Catch::Contains("token id is 36, expected 0 to 35"));
}

TEST_CASE("each token that is not special can be hidden alone") {
  const std::vector<MaskedTokens> masked = mask_each(model_with(small_tokenizer()), {.ids = {kCls, 5, 6, kSep}});
  REQUIRE(masked.size() == 2);
  CHECK(masked[0].tokens.ids == std::vector<std::int32_t>{kCls, kMask, 6, kSep});
  CHECK(masked[1].tokens.ids == std::vector<std::int32_t>{kCls, 5, kMask, kSep});
  CHECK(masked[1].labels == std::vector<std::int32_t>{kNoLabel, kNoLabel, 6, kNoLabel});
}

TEST_CASE("a loss is that of the softmax of a token's logits, in float32 and in integers, whatever the batch is") {
  const Model model = GoldenTasks().model("masks");
  const std::vector<MaskedTokens> asked = {
      {.tokens = {.ids = {2, 9, 4, 12, 3}}, .labels = {kNoLabel, 9, 7, kNoLabel, kNoLabel}},
      {.tokens = {.ids = {2, 3}}, .labels = {kNoLabel, kNoLabel}},
      {.tokens = {.ids = {2, 4, 4, 3}}, .labels = {kNoLabel, kNoLabel, 11, kNoLabel}}};
  const std::vector<std::pair<std::size_t, std::size_t>> places = {{0, 1}, {0, 2}, {2, 2}};
  Workspace workspace({.threads = 1}), two({.threads = 2});
  Calibrator calibrator(model);
  calibrator.observe({{asked[0].tokens, asked[2].tokens}}, workspace);
  for (const Model& each : {model, calibrator.quantize().model}) {
    const Engine engine(each);
    const std::vector<TokenLoss> losses = masked_losses(engine, asked, workspace);
    REQUIRE(losses.size() == places.size());
    for (std::size_t i = 0; i < places.size(); ++i) {
      const auto [sequence, place] = places[i];
      const Tensor logits = engine.output("logits", {{asked[sequence].tokens}}, workspace);
      const std::span<const float> row = logits.row<float>(static_cast<std::int64_t>(place));
      const auto label = static_cast<std::size_t>(asked[sequence].labels[place]);
      double sum = 0.0;
      for (const float logit : row) sum += std::exp(static_cast<double>(logit));
      CHECK(losses[i].loss == Approx(std::log(sum) - static_cast<double>(row[label])).epsilon(1e-5));
      CHECK(losses[i].is_likeliest ==
            (std::ranges::max_element(row) - row.begin() == static_cast<std::ptrdiff_t>(label)));
    }
    if (each.is_quantized()) CHECK(masked_losses(engine, std::span(asked).last(1), two)[0].loss == losses[2].loss);
  }
  const Engine engine(model);
  CHECK(masked_losses(engine, std::span(asked).subspan(1, 1), workspace).empty());
  CHECK_THROWS_WITH(
      masked_losses(engine, std::vector<MaskedTokens>{{.tokens = {.ids = {2}}, .labels = {-1}}}, workspace),
      Catch::Contains("a label is -1"));
  CHECK_THROWS_WITH(masked_losses(engine, std::vector<MaskedTokens>{{.tokens = {.ids = {2}}, .labels = {}}}, workspace),
                    Catch::Contains("1 tokens has 0 labels"));
  CHECK_THROWS_WITH(masked_losses(Engine(tiny_model()), asked, workspace), Catch::Contains("does not predict masked"));
}

TEST_CASE("masks come from a safetensors file of either integer type, without the padding that it marks") {
  const TemporaryDirectory scratch;
  const auto read = [&](const std::map<std::string, Tensor, std::less<>>& tensors) {
    write_safetensors(scratch / "masks.safetensors", tensors, {});
    return read_masked_tokens(scratch / "masks.safetensors");
  };
  const Tensor ids = matrix<std::int32_t>({2, 4, 3, 2, 4, 0}),
               labels = matrix<std::int64_t>({-100, 9, -100, -100, 8, -100}),
               mask = matrix<std::int64_t>({1, 1, 1, 1, 1, 0}), types = matrix<std::int32_t>({0, 0, 1, 0, 1, 0});
  const std::vector<MaskedTokens> masked =
      read({{"input_ids", ids}, {"labels", labels}, {"attention_mask", mask}, {"token_type_ids", types}});
  REQUIRE(masked.size() == 2);
  CHECK(masked[0].tokens.ids == std::vector<std::int32_t>{2, 4, 3});
  CHECK(masked[0].tokens.type_ids == std::vector<std::int32_t>{0, 0, 1});
  CHECK(masked[0].labels == std::vector<std::int32_t>{kNoLabel, 9, kNoLabel});
  CHECK(masked[1].tokens.ids == std::vector<std::int32_t>{2, 4});
  CHECK(masked[1].labels == std::vector<std::int32_t>{kNoLabel, 8});
  const auto refused = [&](const std::string& name, const Tensor& tensor, const std::string& message) {
    std::map<std::string, Tensor, std::less<>> tensors = {{"input_ids", ids}, {"labels", labels}};
    tensors[name] = tensor;
    CHECK_THROWS_WITH(read(tensors), Catch::Contains("tensor " + name) && Catch::Contains(message));
  };
  refused("labels", Tensor(DType::f32, {2, 3}), "is F32, expected I32 or I64");
  refused("labels", Tensor(DType::s32, {3, 2}), "another shape");
  refused("labels", matrix<std::int64_t>({-100, 1LL << 40, 0, 0, 0, 0}), "1099511627776");
  refused("attention_mask", matrix<std::int64_t>({1, 0, 1, 1, 1, 1}), "ones and then zeros");
  refused("attention_mask", matrix<std::int64_t>({0, 0, 0, 1, 1, 1}), "ones and then zeros");
  refused("position_ids", ids, "is not known");
  const Tensor shorter = matrix<std::int64_t>({1, 1, 1, 1, 0, 0});
  CHECK_THROWS_WITH(read({{"input_ids", ids}, {"labels", labels}, {"attention_mask", shorter}}),
                    Catch::Contains("tensor labels asks for tokens that attention_mask leaves out"));
  CHECK_THROWS_WITH(read({{"input_ids", ids}}), Catch::Contains("tensor labels is missing"));
}

}  // namespace octavo::test
