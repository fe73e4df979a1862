// What files beside a tokenizer.json change of it; each case was compared with transformers 5.24's AutoTokenizer.
#include "tests/support/byte_level_support.h"
#include "tests/support/temporary_directory.h"

using nlohmann::json;
using octavo::Tokenizer;
using octavo::test::bpe_words;
using octavo::test::refusal;
using octavo::test::small_bpe;
using octavo::test::small_tokenizer;
using octavo::test::TemporaryDirectory;
using octavo::test::write_bytes;

namespace {

/// small_tokenizer() with all of BERT's special tokens among the added ones.
json bert_tokenizer() {
  json file = small_tokenizer();
  json& tokens = file["added_tokens"];
  for (int id = 3; id >= 0; --id) {
    json token = tokens[0];
    token.update({{"id", id}, {"content", octavo::test::small_vocabulary()[static_cast<std::size_t>(id)]}});
    tokens.insert(tokens.begin(), token);
  }
  return file;
}

struct Files {
  json tokenizer = bert_tokenizer(), config = {}, special_tokens_map = {}, added_tokens = {}, model_config = {};
};

Tokenizer open(const Files& files, int types = 2) {
  const TemporaryDirectory directory;
  const auto write = [&](const char* name, const json& value) {
    if (!value.is_null()) write_bytes(directory / name, value.dump());
  };
  write("tokenizer.json", files.tokenizer);
  write("tokenizer_config.json", files.config);
  write("special_tokens_map.json", files.special_tokens_map);
  write("added_tokens.json", files.added_tokens);
  write("config.json", files.model_config);
  return Tokenizer::from_checkpoint(directory.path(), types);
}

/// Its tokens with the special ones.
std::string tokens_of(const Tokenizer& tokenizer, const std::string& text) {
  std::string result;
  for (const std::int32_t id : tokenizer.encode(text).ids) {
    result += (result.empty() ? "" : " ") + std::string(tokenizer.token(id));
  }
  return result;
}

/// The warnings, one a line, without the folder.
std::string warnings_of(const Tokenizer& tokenizer) {
  std::string result;
  for (const std::string& warning : tokenizer.warnings()) {
    result += warning.substr(warning.find_last_of('/', warning.find(".json")) + 1) + "\n";
  }
  return result;
}

json with(json object, const json& changes) {
  object.update(changes);
  return object;
}

const json kBert = {{"tokenizer_class", "BertTokenizer"}};

json token(const std::string& content, const json& changes = json::object()) {
  return with({{"content", content},
               {"lstrip", false},
               {"rstrip", false},
               {"normalized", false},
               {"single_word", false},
               {"special", false}},
              changes);
}

}  // namespace

TEST_CASE("settings that agree with tokenizer.json change nothing and warn of nothing") {
  const Tokenizer tokenizer = open({.config = with(kBert, {{"do_lower_case", true},
                                                           {"strip_accents", nullptr},
                                                           {"tokenize_chinese_chars", true},
                                                           {"unk_token", "[UNK]"},
                                                           {"model_max_length", 512},
                                                           {"mask_token", "[MASK]"},
                                                           {"clean_up_tokenization_spaces", true}})});
  CHECK(tokens_of(tokenizer, "Hello É 北") == "[CLS] hello e 北 [SEP]");
  CHECK(warnings_of(tokenizer).empty());
}

TEST_CASE("BertTokenizer's settings count before the normalizer of tokenizer.json, with a warning") {
  const Tokenizer tokenizer = open({.config = with(kBert, {{"do_lower_case", false}})});
  CHECK(tokens_of(tokenizer, "Hello É") == "[CLS] Hello É [SEP]");
  CHECK(
      warnings_of(tokenizer) ==
      "tokenizer_config.json: do_lower_case is false, but tokenizer.json's normalizer has true; the former counts, as "
      "in transformers\n"
      "tokenizer_config.json: BertTokenizer without strip_accents means false, but tokenizer.json's normalizer has "
      "true; the former counts, as in transformers\n");
  Files cased = {.model_config = {{"model_type", "bert"}}};
  cased.tokenizer["normalizer"]["lowercase"] = false;
  CHECK(tokens_of(open(cased), "Hello É") == "[CLS] hello e [SEP]");
  CHECK(tokens_of(open({.config = with(kBert, {{"strip_accents", false}})}), "É") == "[CLS] é [SEP]");
  CHECK(tokens_of(open({.config = with(kBert, {{"tokenize_chinese_chars", false}})}), "北京") == "[CLS] 北 ##京 [SEP]");
}

TEST_CASE("of a class that takes tokenizer.json as it is, and of one that is not known, settings do not count") {
  const json lower = {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"do_lower_case", false}};
  CHECK(tokens_of(open({.config = lower}), "Hello") == "[CLS] hello [SEP]");
  CHECK(warnings_of(open({.config = lower})).empty());
  const Tokenizer other = open({.config = with(lower, {{"tokenizer_class", "FooTokenizer"}})});
  CHECK(tokens_of(other, "Hello") == "[CLS] hello [SEP]");
  CHECK(
      warnings_of(other).starts_with("tokenizer_config.json: tokenizer_class is FooTokenizer, which octavo does not"));
}

TEST_CASE(
    "the mask token is the settings', and a written tokenizer keeps it; without settings it is [MASK] or <mask>") {
  const std::int32_t hello = Tokenizer::from_json(small_tokenizer().dump()).id("hello");
  CHECK(open({.config = kBert}).mask_id() == 4);
  const Tokenizer named = open({.config = with(kBert, {{"mask_token", "hello"}})});
  CHECK(named.mask_id() == hello);
  CHECK(Tokenizer::from_json(named.to_json()).mask_id() == hello);
  CHECK(open({.config = kBert, .special_tokens_map = {{"mask_token", {{"content", "hello"}}}}}).mask_id() == hello);
  CHECK(open({.config = kBert}).to_json().find("mask_token") == std::string::npos);  // as it was always written
  json other = small_tokenizer();
  other["mask_token"] = "nowhere";
  CHECK_THROWS_WITH(Tokenizer::from_json(other.dump()),
                    Catch::Contains("mask_token is \"nowhere\", expected a token of the vocabulary"));
}

TEST_CASE("special tokens of the settings stand around a text, and are added where they are missing") {
  CHECK(tokens_of(open({.config = with(kBert, {{"cls_token", "hello"}})}), "a") == "hello a [SEP]");
  CHECK(tokens_of(open({.config = with(kBert, {{"unk_token", "x"}})}), "zzz") == "[CLS] x [SEP]");
  CHECK(tokens_of(open({.config = kBert, .special_tokens_map = {{"sep_token", "x"}}}), "a") == "[CLS] a x");
  const Tokenizer added = open({.config = with(kBert, {{"cls_token", "[NEW]"}, {"pad_token", "<x>"}})});
  CHECK(tokens_of(added, "a<x>") == "[NEW] a <x> [SEP]");
  CHECK(added.vocab_size() == static_cast<int>(octavo::test::small_vocabulary().size()) + 2);
  CHECK(warnings_of(added).find("pad_token has the token \"<x>\", which tokenizer.json's added_tokens lack") !=
        std::string::npos);
  const Tokenizer plain = open({.tokenizer = small_tokenizer(), .config = kBert});
  CHECK(tokens_of(plain, "[PAD]a") == "[CLS] [PAD] a [SEP]");
  CHECK(plain.warnings().size() == 4);
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    CHECK(tokens_of(open({.config = with(kBert, {{key, {"<x>"}}})}), "a<x>") == "[CLS] a <x> [SEP]");
  }
}

TEST_CASE("tokens of a pair have types where transformers' tokenizer gives them and the model knows a second one") {
  Files files;
  const auto types_of = [&](const json& config, int types = 2) {
    files.config = config;
    return open(files, types).encode("a", "b").type_ids;
  };
  const std::vector<std::int32_t> none = {0, 0, 0, 0, 0}, both = {0, 0, 0, 1, 1};
  CHECK(types_of({{"tokenizer_class", "BertTokenizer"}}) == both);
  CHECK(types_of({{"tokenizer_class", "BertTokenizer"}}, 0) == none);
  CHECK(types_of({{"tokenizer_class", "DistilBertTokenizer"}}) == none);
  CHECK(types_of({{"tokenizer_class", "BertTokenizer"}, {"model_input_names", {"input_ids", "attention_mask"}}}) ==
        none);
  CHECK(types_of({{"tokenizer_class", "DistilBertTokenizer"}, {"model_input_names", {"token_type_ids"}}}) == both);
}

TEST_CASE("added_tokens_decoder adds tokens and gives flags, and counts in place of older files") {
  const int next = static_cast<int>(octavo::test::small_vocabulary().size());
  const json decoder = {{"added_tokens_decoder", {{std::to_string(next), token("<x>")}}}};
  CHECK(tokens_of(open({.config = with(kBert, decoder)}), "a<x>") == "[CLS] a <x> [SEP]");
  const json strip = {{"added_tokens_decoder", {{"4", token("[MASK]", {{"lstrip", true}, {"special", true}})}}}};
  CHECK(open({.config = with(kBert, strip)}).encode("a  [MASK]").offsets[2] == octavo::ByteRange{1, 9});
  const Files older = {.config = kBert, .added_tokens = {{"<x>", next}}};
  CHECK(tokens_of(open(older), "a<x>") == "[CLS] a <x> [SEP]");
  Files both = {.config = with(kBert, decoder), .special_tokens_map = {{"cls_token", "hello"}}};
  CHECK(tokens_of(open(both), "a<x>") == "[CLS] a <x> [SEP]");
}

TEST_CASE("GPT2Tokenizer's settings count before tokenizer.json's") {
  const json gpt2 = {{"tokenizer_class", "GPT2Tokenizer"}};
  const auto opened = [&](const json& changes) {
    return open({.tokenizer = small_bpe(), .config = with(gpt2, changes)});
  };
  CHECK(tokens_of(opened(json::object()), "w") == "</s> w");
  CHECK(tokens_of(opened({{"add_prefix_space", true}}), "w") == "</s> Ġw");
  CHECK(tokens_of(opened({{"add_bos_token", false}}), "w") == "w");
  CHECK(tokens_of(opened({{"add_eos_token", true}, {"eos_token", "</s>"}}), "w") == "w </s>");
  CHECK(warnings_of(opened({{"add_bos_token", true}, {"bos_token", "</s>"}})).find("post_processor") !=
        std::string::npos);  // of pairs, whose second text gets one too
  CHECK(refusal([&] { opened({{"add_bos_token", true}}); }).find("bos_token is missing") != std::string::npos);
}

TEST_CASE("what cannot be honoured is refused, and what is not known is reported, file by file") {
  CHECK(refusal([&] {
          open({.config = {{"split_special_tokens", true}}});
        }).find("tokenizer_config.json: split_special_tokens is true, expected false") != std::string::npos);
  CHECK(warnings_of(open({.config = with(kBert, {{"truncation_side", "left"}})}))
            .starts_with("tokenizer_config.json: truncation_side is \"left\"; "));
  CHECK(warnings_of(open({.config = with(kBert, {{"fold_case", 1}})})) ==
        "tokenizer_config.json: fold_case is not known to octavo, and left aside\n");
  CHECK(warnings_of(open({.config = kBert, .special_tokens_map = {{"end_token", "x"}}})) ==
        "special_tokens_map.json: end_token is not known to octavo, and left aside\n");
  CHECK(refusal([&] {
          open({.tokenizer = with(bert_tokenizer(), {{"fold_case", 1}})});
        }).find("section fold_case") != std::string::npos);
}

TEST_CASE("components without a type are what early versions of the tokenizers library wrote") {
  Files files = {.config = kBert};
  for (const char* section : {"model", "normalizer", "post_processor"}) files.tokenizer[section].erase("type");
  CHECK(tokens_of(open(files), "Hello É [MASK]") == "[CLS] hello e [MASK] [SEP]");
  files.tokenizer["post_processor"] = {{"sep", {"[SEP]", 3}}, {"cls", {"[CLS]", 2}}};
  files.tokenizer["model"].erase("max_input_chars_per_word");
  CHECK(tokens_of(open(files), "Hello É [MASK]") == "[CLS] hello e [MASK] [SEP]");
  json bpe = small_bpe();
  for (const char* section : {"model", "post_processor"}) bpe[section].erase("type");
  CHECK(bpe_words(octavo::test::open_tokenizer(bpe), "hello w") == "hello|Ġw");
  files.tokenizer["pre_tokenizer"].erase("type");
  CHECK(refusal([&] { open(files); }).find("pre_tokenizer: type is missing, expected a string") != std::string::npos);
}
