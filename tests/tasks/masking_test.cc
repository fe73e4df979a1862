// Masked tokens: how many are chosen, what becomes of them, and that the choice is the same everywhere.
#include "octavo/masking.h"

#include "tests/support/small_tokenizers.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

#include <algorithm>

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

}  // namespace octavo::test
