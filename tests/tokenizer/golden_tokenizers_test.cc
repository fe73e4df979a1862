// Small tokenizers of every kind against what Hugging Face's tokenizers make of the same texts (tests/golden).
#include "tests/support/golden_tokenizers.h"

#include "tests/support/tokenizer_support.h"

#include "octavo/tokenizer.h"

#include <algorithm>

using nlohmann::json;
using octavo::ByteRange;
using octavo::Tokenizer;
using octavo::Tokens;
using octavo::test::open_tokenizer;
using octavo::test::refusal;
using octavo::test::tokenizer_file_of;
using octavo::test::words;

namespace {

using Ids = std::vector<std::int32_t>;

const json& golden_tokenizers() {
  static const json file = octavo::test::read_golden_tokenizers(octavo::test::source_dir());
  return file;
}

std::string text_of(const json& sample) {
  return sample.is_number() ? golden_tokenizers()["texts"][sample.get<std::size_t>()] : sample;
}

/// Offsets in characters, begin and end by turns.
Ids in_characters(std::string_view text, const std::vector<ByteRange>& offsets) {
  const auto count = [&](std::int32_t end) {
    const auto starts = [](char byte) { return (byte & 0xc0) != 0x80; };
    return static_cast<std::int32_t>(std::count_if(text.begin(), text.begin() + end, starts));
  };
  Ids result;
  for (const ByteRange span : offsets) {
    // A byte of a character comes from the whole of it.
    std::int32_t begin = span.begin;
    while (begin > 0 && begin < span.end && (text[static_cast<std::size_t>(begin)] & 0xc0) == 0x80) --begin;
    result.push_back(count(begin));
    result.push_back(count(span.end));
  }
  return result;
}

}  // namespace

TEST_CASE("ids, offsets and decoded text of every kind of tokenizer are those of the tokenizers library") {
  for (const json& kind : golden_tokenizers()["tokenizers"]) {
    const std::string name = kind["name"];
    const Tokenizer read = Tokenizer::from_json(tokenizer_file_of(golden_tokenizers(), kind), name),
                    again = Tokenizer::from_json(read.to_json(), name);
    CHECK(again.to_json() == read.to_json());
    for (const Tokenizer& tokenizer : {read, again}) {
      for (const json& sample : kind["cases"]) {
        const std::string text = text_of(sample["text"]);
        CAPTURE(name, text);
        const Tokens tokens = tokenizer.encode(text);
        REQUIRE(tokens.ids == sample["ids"].get<Ids>());
        REQUIRE(in_characters(text, tokens.offsets) == sample["offsets"].get<Ids>());
        REQUIRE(tokenizer.decode(tokens.ids) == sample["decoded"].get<std::string>());
      }
      const Tokens pair = tokenizer.encode("the banana", "a 日本");
      CHECK(pair.ids == kind["pair"]["ids"].get<Ids>());
      CHECK(pair.type_ids == kind["pair"]["type_ids"].get<Ids>());
    }
  }
}

namespace {

/// The first kind, a Unigram, with one value replaced or added.
json first_kind_with(const std::string& pointer, const json& value) {
  json file = json::parse(tokenizer_file_of(golden_tokenizers(), golden_tokenizers()["tokenizers"][0]));
  file[json::json_pointer(pointer)] = value;
  return file;
}

std::string refusal_with(const std::string& pointer, const json& value) {
  return refusal([&] { open_tokenizer(first_kind_with(pointer, value)); });
}

}  // namespace

TEST_CASE("unknown characters side by side are one token of Unigram, which text without unk_id must not have") {
  const json file = first_kind_with("/normalizer", nullptr);
  const Tokens tokens = open_tokenizer(file).encode("xyz the");
  CHECK(tokens.offsets[2] == ByteRange{0, 3});
  CHECK(tokens.ids[2] == 3);
  const Tokenizer strict = open_tokenizer(first_kind_with("/model/unk_id", nullptr));
  CHECK(words(strict, "the") == "▁the");
  CHECK(refusal([&] { strict.encode("xyz"); }) ==
        "text to tokenize: has \"xyz\", which the vocabulary has no piece for, and unk_id is null");
}

TEST_CASE("parts of a tokenizer that are damaged are Errors that name them") {
  CHECK(refusal_with("/normalizer/precompiled_charsmap", "AAA*") ==
        "t.json: normalizer: precompiled_charsmap has a character at 3 that is not base64, expected base64");
  CHECK(refusal_with("/normalizer/precompiled_charsmap", "CAAAAAAAAAA=") ==
        "t.json: normalizer: precompiled_charsmap has a trie of 8 bytes in 8, expected a multiple of 4 that fits");
  CHECK(refusal_with("/normalizer", {{"type", "Replace"}, {"pattern", {{"Regex", "(a"}}}, {"content", ""}})
            .starts_with("t.json: normalizer: pattern is \"(a\", expected a regular expression: "));
  CHECK(refusal_with("/normalizer", {{"type", "Replace"}, {"pattern", "a"}, {"content", ""}})
            .starts_with("t.json: normalizer: pattern is \"a\", expected {\"String\": ...}"));
  CHECK(refusal_with("/decoder/replacement", "ab") == "t.json: decoder: replacement is \"ab\", expected one character");
  CHECK(refusal_with("/decoder/prepend_scheme", "last") ==
        "t.json: decoder: prepend_scheme is \"last\", expected always or first or never");
  CHECK(refusal_with("/model/unk_id", 1000).starts_with("t.json: model: unk_id is 1000, expected less than "));
  CHECK(refusal_with("/model/vocab/7", {"a", 1, 2}) ==
        "t.json: vocab has an entry 8 that is no pair, expected arrays of a text and a number");
  CHECK(refusal_with("/model/vocab", json::object()) ==
        "t.json: model: vocab is a JSON object, expected an array of pieces and scores");
}

TEST_CASE("an expression that takes too long for a text is an Error that names it") {
  const json split = {
      {"type", "Split"}, {"pattern", {{"Regex", "(a+)+b"}}}, {"behavior", "Isolated"}, {"invert", false}};
  const Tokenizer tokenizer = open_tokenizer(first_kind_with("/pre_tokenizer", split));
  CHECK(refusal([&] {
          tokenizer.encode(std::string(1000, 'a'));
        }).starts_with("pattern \"(a+)+b\" cannot be searched for in this text: "));
}
