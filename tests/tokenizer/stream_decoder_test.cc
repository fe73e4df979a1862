// Tests of ids to text: whole and token by token, of both kinds of tokenizer.
#include "tests/support/byte_level_support.h"

#include "octavo/tokenizer.h"

#include <random>

using octavo::StreamDecoder;
using octavo::Tokenizer;
using octavo::test::small_bpe;
using octavo::test::small_tokenizer;

namespace {

using Ids = std::vector<std::int32_t>;

const Tokenizer& bpe() {
  static const Tokenizer tokenizer = octavo::test::open_tokenizer(small_bpe());
  return tokenizer;
}

const Tokenizer& word_piece() {
  static const Tokenizer tokenizer = octavo::test::open_tokenizer(small_tokenizer());
  return tokenizer;
}

std::vector<std::string> stream(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder decoder(tokenizer);
  std::vector<std::string> parts;
  for (const std::int32_t id : ids) parts.push_back(decoder.push(id));
  parts.push_back(decoder.finish());
  return parts;
}

using Parts = std::vector<std::string>;

}  // namespace

TEST_CASE("decoding gives back the text that was encoded") {
  for (const std::string text : {"", "hello w's  12\n", " \xc3\xa9\xe5\x8c\x97\xf0\x9f\x98\x80 aaaaa", "\t\x01"}) {
    CAPTURE(text);
    CHECK(bpe().decode(bpe().encode(text).ids) == text);
  }
  CHECK(bpe().decode(bpe().encode("a</s>b").ids) == "ab");
  CHECK(bpe().decode(bpe().encode("a</s>b").ids, {.skip_special_tokens = false}) == "</s>a</s>b");
}

TEST_CASE("a character is given out when its last byte has come") {
  const Ids euro = {0xe2, 0x82, 0xac};  // ids of the small tokenizer are bytes
  CHECK(stream(bpe(), euro) == Parts{"", "", "\xe2\x82\xac", ""});
  CHECK(stream(bpe(), {0xf0, 0x9f, 0x98, 0x80, 'a'}) == Parts{"", "", "", "\xf0\x9f\x98\x80", "a", ""});
  CHECK(stream(bpe(), {'a', 266, 0xc3}) == Parts{"a", "\xc3\xa9", "", "\xef\xbf\xbd"});
}

TEST_CASE("ill-formed bytes become U+FFFD as soon as no byte can complete them") {
  const std::string bad = "\xef\xbf\xbd";
  CHECK(stream(bpe(), {0xff, 0x80}) == Parts{bad, bad, ""});
  CHECK(stream(bpe(), {0xe2, 'a'}) == Parts{"", bad + "a", ""});
  CHECK(stream(bpe(), {0xe2, 0x82, 0xe2, 0x82, 0xac}) == Parts{"", "", bad, "", "\xe2\x82\xac", ""});
  CHECK(stream(bpe(), {0xc0, 0xed, 0xa0}) == Parts{bad, "", bad + bad, ""});  // overlong, surrogate
  CHECK(stream(bpe(), {0xe2, 256, 0x82}) == Parts{"", "", "", bad});          // a special token is left out
}

TEST_CASE("ids without a token are U+FFFD") {
  CHECK(bpe().decode(Ids{'a', 267, -1, 'b'}) ==
        "a\xef\xbf\xbd\xef\xbf\xbd"
        "b");
  CHECK(word_piece().decode(Ids{5, 36}) == "a \xef\xbf\xbd");
}

TEST_CASE("finish() makes a decoder new") {
  StreamDecoder decoder(word_piece());
  for (int round = 0; round < 2; ++round) {
    std::string text = decoder.push(5);
    text += decoder.push(6);
    CHECK(text + decoder.finish() == "a b");
  }
}

TEST_CASE("pieces of words are joined, words have a space between them, marks none before them") {
  const auto again = [](const std::string& text) { return word_piece().decode(word_piece().encode(text).ids); };
  CHECK(again("Unaffable hello!") == "unaffable hello!");
  CHECK(again("b abc") == "b abc");
  CHECK(again("a[MASK]b") == "a b");
  CHECK(word_piece().decode(Ids{2, 5, 4, 3}, {.skip_special_tokens = false}) == "[CLS] a [MASK] [SEP]");
  CHECK(word_piece().decode(Ids{8, 9}) == "##ab");
}

TEST_CASE("decoding random ids token by token gives what decoding all of them gives, well-formed") {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    Ids ids;
    std::string bytes;
    for (int i = 0; i < 40; ++i) ids.push_back(static_cast<std::int32_t>(random() % 2 * 0x80 + random() % 0x80));
    for (const std::int32_t id : ids) bytes.push_back(static_cast<char>(id));
    std::string whole;
    for (const std::string& part : stream(bpe(), ids)) {
      REQUIRE_NOTHROW(nlohmann::json(part).dump());  // which refuses ill-formed UTF-8
      whole += part;
    }
    REQUIRE(whole == bpe().decode(ids));
    const std::string expected = bpe().decode(bpe().encode(bytes).ids);  // ill-formed input is read as U+FFFD
    REQUIRE(whole == expected);
  }
}
