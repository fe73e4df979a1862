// Small tokenizers of every kind against what Hugging Face's tokenizers make of the same texts (tests/golden).
#include "tests/support/tokenizer_support.h"

#include "octavo/tokenizer.h"

#include <fstream>

using nlohmann::json;
using octavo::ByteRange;
using octavo::Tokenizer;
using octavo::Tokens;

namespace {

using Ids = std::vector<std::int32_t>;

const json& golden() {
  static const json file = [] {
    std::ifstream in(OCTAVO_SOURCE_DIR "/tests/golden/tokenizers.json");
    return json::parse(in);
  }();
  return file;
}

/// The tokenizer.json; the table of replacements stands in the golden file once.
std::string file_of(const json& kind) {
  std::string text = kind["tokenizer"].dump();
  const std::string place = "\"CHARSMAP\"";
  for (std::size_t at = 0; (at = text.find(place, at)) != std::string::npos;) {
    text.replace(at, place.size(), golden()["charsmap"].dump());
  }
  return text;
}

std::string text_of(const json& sample) {
  return sample.is_number() ? golden()["texts"][sample.get<std::size_t>()] : sample;
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
  for (const json& kind : golden()["tokenizers"]) {
    const std::string name = kind["name"];
    const Tokenizer read = Tokenizer::from_json(file_of(kind), name),
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
