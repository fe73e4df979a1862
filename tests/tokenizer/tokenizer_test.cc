// Tests of text to ids: the golden texts, offsets, pairs, truncation, bytes that are not text, added tokens.
#include "octavo/tokenizer.h"

#include "tests/support/temporary_directory.h"
#include "tests/support/tokenizer_support.h"

#include <fstream>
#include <limits>

using octavo::ByteRange;
using octavo::Tokenizer;
using octavo::Tokens;
using octavo::test::Piece;
using octavo::test::pieces;
using octavo::test::refusal;
using octavo::test::small_tokenizer;
using octavo::test::small_tokenizer_with;
using octavo::test::words;

namespace {

using Ids = std::vector<std::int32_t>;

const Tokenizer& shipped() {
  static const Tokenizer tokenizer = Tokenizer::from_checkpoint(octavo::test::shipped_model());
  return tokenizer;
}

const Tokenizer& small() {
  static const Tokenizer tokenizer = octavo::test::open_tokenizer(small_tokenizer());
  return tokenizer;
}

Tokenizer from_vocabulary_files() {
  const octavo::test::TemporaryDirectory directory;
  for (const char* name : {"vocab.txt", "tokenizer_config.json"}) {
    std::filesystem::copy_file(octavo::test::shipped_model() / name, directory / name);
  }
  return Tokenizer::from_checkpoint(directory.path());
}

Tokenizer with_added(const nlohmann::json& changes) {
  nlohmann::json file = small_tokenizer();
  file["added_tokens"][0].update(changes);
  return octavo::test::open_tokenizer(file);
}

std::string repeat(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

}  // namespace

TEST_CASE("each golden text gives the ids of the original tokenizer, from tokenizer.json and from vocab.txt",
          "[shared]") {
  const auto file = octavo::test::shared_data("golden/wordpiece.tsv");
  if (!file) return;
  const Tokenizer from_vocabulary = from_vocabulary_files();
  std::ifstream in(*file);
  int lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    const std::size_t tab = line.find('\t');
    const std::string text = nlohmann::json::parse(line.substr(0, tab)).get<std::string>();
    std::istringstream numbers(line.substr(tab + 1));
    const Ids expected(std::istream_iterator<std::int32_t>(numbers), {});
    CAPTURE(line);
    REQUIRE(shipped().encode(text).ids == expected);
    REQUIRE(from_vocabulary.encode(text).ids == expected);
    REQUIRE(from_vocabulary.encode(text).offsets == shipped().encode(text).offsets);
  }
  CHECK(lines == 339);
}

TEST_CASE("offsets are the bytes of the input that a token came from, empty for special tokens") {
  CHECK(pieces(shipped(), "Café 北京, unaffable!") == std::vector<Piece>{{"[CLS]", {0, 0}},
                                                                         {"cafe", {0, 5}},
                                                                         {"北", {6, 9}},
                                                                         {"京", {9, 12}},
                                                                         {",", {12, 13}},
                                                                         {"una", {14, 17}},
                                                                         {"##ffa", {17, 20}},
                                                                         {"##ble", {20, 23}},
                                                                         {"!", {23, 24}},
                                                                         {"[SEP]", {0, 0}}});
  // Each of the characters that one character becomes, and each piece, has the whole character.
  CHECK(pieces(small(), "  Ab\t\u01f0")[1] == Piece{"a", {2, 3}});
  CHECK(pieces(small(), "Ab")[2] == Piece{"##b", {1, 2}});
  CHECK(pieces(small(), "b\u00c1!")[2] == Piece{"##a", {1, 3}});
  CHECK(pieces(small(), "b\u212b\u0301c")[2] == Piece{"##a", {1, 4}});
  CHECK(pieces(small(), "zzz ok")[1] == Piece{"[UNK]", {0, 3}});
}

TEST_CASE("offsets never go back, stay inside the text and cover all of it but white space") {
  const std::string text = "Naïve façades—don't [MASK] «ÉTÉ» 東京 2024; \U0001f600 Übergröße x_y\n";
  const Tokens tokens = shipped().encode(text);
  std::int32_t end = 0;
  for (std::size_t i = 1; i + 1 < tokens.ids.size(); ++i) {
    const ByteRange span = tokens.offsets[i];
    REQUIRE(span.begin >= end);
    REQUIRE(span.end > span.begin);
    for (std::int32_t k = end; k < span.begin; ++k) REQUIRE(text[static_cast<std::size_t>(k)] == ' ');
    end = span.end;
  }
  CHECK(end == static_cast<std::int32_t>(text.size()) - 1);
}

TEST_CASE("a pair is [CLS] A [SEP] B [SEP] with types 0 and 1, and offsets into each text") {
  const Tokens tokens = small().encode("a hello", "Bc");
  CHECK(pieces(small(), tokens) == std::vector<Piece>{{"[CLS]", {0, 0}},
                                                      {"a", {0, 1}},
                                                      {"hello", {2, 7}},
                                                      {"[SEP]", {0, 0}},
                                                      {"b", {0, 1}},
                                                      {"##c", {1, 2}},
                                                      {"[SEP]", {0, 0}}});
  CHECK(tokens.type_ids == Ids{0, 0, 0, 0, 1, 1, 1});
  CHECK(small().encode("a").type_ids == Ids{0, 0, 0});
  CHECK(small().encode("", "").ids == Ids{2, 3, 3});
  CHECK(small().encode("", "").type_ids == Ids{0, 0, 1});
}

TEST_CASE("a text is cut on the right to max_length tokens, and the rest is counted") {
  const std::string text = "a b c a b c";
  const Tokens whole = small().encode(text);
  REQUIRE(whole.truncated == 0);
  for (int length = 2; length <= 10; ++length) {
    const Tokens tokens = small().encode(text, length);
    const int kept = std::min(length - 2, 6);
    CAPTURE(length);
    REQUIRE(tokens.truncated == 6 - kept);
    REQUIRE(tokens.ids.back() == 3);
    REQUIRE(tokens.offsets.back() == ByteRange{});
    REQUIRE(Ids(tokens.ids.begin(), tokens.ids.end() - 1) == Ids(whole.ids.begin(), whole.ids.begin() + 1 + kept));
    REQUIRE(tokens.offsets.size() == tokens.ids.size());
    REQUIRE(tokens.type_ids.size() == tokens.ids.size());
  }
  CHECK(small().encode(text, std::numeric_limits<int>::max()).ids == whole.ids);
}

TEST_CASE("of a pair the longer text is cut first, then both alike, as the original tokenizer does") {
  struct Case {
    int first, second, room, first_kept, second_kept;
  };
  for (const Case& c :
       {Case{5, 2, 7, 5, 2}, Case{5, 2, 6, 4, 2}, Case{5, 2, 5, 3, 2}, Case{5, 2, 4, 2, 2}, Case{5, 2, 3, 2, 1},
        Case{2, 5, 3, 1, 2}, Case{5, 4, 5, 3, 2}, Case{4, 5, 5, 2, 3}, Case{4, 4, 5, 2, 3}, Case{4, 4, 1, 0, 1},
        Case{5, 1, 5, 4, 1}, Case{0, 5, 3, 0, 3}, Case{5, 0, 3, 3, 0}, Case{3, 3, 0, 0, 0}}) {
    const Tokens tokens = small().encode(repeat("a ", c.first), repeat("b ", c.second), c.room + 3);
    CAPTURE(c.first, c.second, c.room);
    REQUIRE(std::count(tokens.ids.begin(), tokens.ids.end(), 5) == c.first_kept);
    REQUIRE(std::count(tokens.ids.begin(), tokens.ids.end(), 6) == c.second_kept);
    REQUIRE(tokens.ids.size() == static_cast<std::size_t>(c.first_kept + c.second_kept + 3));
    REQUIRE(tokens.truncated == c.first + c.second - c.first_kept - c.second_kept);
  }
}

TEST_CASE("a max_length without room for the special tokens is an Error") {
  CHECK(small().encode("a", 2).ids == Ids{2, 3});
  CHECK(refusal([] { small().encode("a", 1); }) == "max_length is 1, expected at least 2 for the special tokens");
  CHECK(refusal([] { small().encode("a", "b", 2); }) == "max_length is 2, expected at least 3 for the special tokens");
  CHECK(refusal([] { small().encode("", std::optional(0)); }) ==
        "max_length is 0, expected at least 2 for the special tokens");
  CHECK(refusal([] { small().encode("", std::numeric_limits<int>::min()); }) != "no Error");
}

TEST_CASE("invalid UTF-8 is read as one U+FFFD for each maximal subpart") {
  const Tokenizer tokenizer = small_tokenizer_with("/normalizer/clean_text", false);
  struct Case {
    std::string bytes;
    std::vector<int> lengths;
  };
  for (const Case& c : {Case{"\xf1\x80\x80\xe1\x80\xc2", {3, 2, 1}},  // the Unicode standard, table 3-11
                        Case{"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82", {1, 1, 1, 1, 1, 1, 1, 1}},  // 3-8: not shortest
                        Case{"\xed\xa0\x80\xed\xbf\xbf\xed\xaf", {1, 1, 1, 1, 1, 1, 1, 1}},  // 3-9: surrogates
                        Case{"\xf4\x91\x92\x93\xff\x80\xbf", {1, 1, 1, 1, 1, 1, 1}},         // 3-10: others
                        Case{"\xf8\x88\x80\x80\x80", {1, 1, 1, 1, 1}}, Case{"\xf0\x9f\x98", {3}}, Case{"\xc3", {1}},
                        Case{"\xef\xbf\xbd", {3}}, Case{"\x80", {1}}}) {
    std::vector<Piece> expected = {{"[CLS]", {}}, {"a", {0, 1}}};
    std::int32_t at = 1;
    for (const int length : c.lengths) {
      expected.push_back({"##\ufffd", {at, at + length}});
      at += length;
    }
    expected.insert(expected.end(), {{"##b", {at, at + 1}}, {"[SEP]", {}}});
    REQUIRE(pieces(tokenizer, "a" + c.bytes + "b") == expected);
    REQUIRE(words(small(), "a" + c.bytes + "b") == "a ##b");  // clean_text drops U+FFFD
    const std::string ending = "b" + c.bytes;
    REQUIRE(pieces(tokenizer, ending).size() == c.lengths.size() + 3);
    REQUIRE(tokenizer.encode(ending).offsets[c.lengths.size() + 1].end == static_cast<std::int32_t>(ending.size()));
  }
}

TEST_CASE("a text without words has only the special tokens") {
  for (const std::string text : {"", " ", "\t\r\n", "\u3000\u2028", "\u200b\x01\x7f", "\ufeff"}) {
    CHECK(shipped().encode(text).ids == Ids{101, 102});
    CHECK(shipped().encode(text, 2).truncated == 0);
  }
}

TEST_CASE("control characters and NUL vanish, white space separates") {
  const std::string nul("a\0b", 3);
  CHECK(pieces(small(), nul)[2] == Piece{"##b", {2, 3}});
  CHECK(words(small(), nul) == "a ##b");
  CHECK(words(small(), std::string("\0\0", 2)).empty());
  CHECK(words(small(), "a\x01\u0085\u200d\ue000b") == "a ##b");
  for (const std::string space : {" ", "\t", "\n", "\r", "\u00a0", "\u2003", "\u3000"}) {
    CHECK(words(small(), "a" + space + "b") == "a b");
  }
  const Tokenizer uncleaned = small_tokenizer_with("/normalizer/clean_text", false);
  CHECK(words(uncleaned, "a\x01") == "a ##\x01");
  CHECK(words(uncleaned, nul) == "[UNK]");
  CHECK(words(uncleaned, "a\tb\u2003c") == "a b c");
}

TEST_CASE("a word of more than max_input_chars_per_word characters is unknown as a whole") {
  for (const std::string letter : {"a", "я"}) {
    CHECK(words(small(), repeat(letter, 100)) == letter + repeat(" ##" + letter, 99));
    CHECK(words(small(), repeat(letter, 101)) == "[UNK]");
  }
  const std::string text = "b " + std::string(100000, 'a') + "! b";
  CHECK(pieces(small(), text) == std::vector<Piece>{{"[CLS]", {}},
                                                    {"b", {0, 1}},
                                                    {"[UNK]", {2, 100002}},
                                                    {"!", {100002, 100003}},
                                                    {"b", {100004, 100005}},
                                                    {"[SEP]", {}}});
  CHECK(words(small_tokenizer_with("/model/max_input_chars_per_word", 2), "ab abc") == "a ##b [UNK]");
}

TEST_CASE("a megabyte of text gives what its parts give one after the other") {
  for (const std::string part :
       {"Où est l'été? Unaffable\tfoxes, 北京的天气 [MASK] a\u0301b \xff naïve.\n", "a.", "北京", "é,"}) {
    const int count = (1 << 20) / static_cast<int>(part.size());
    const Tokens once = shipped().encode(part), all = shipped().encode(repeat(part, count));
    const std::size_t length = once.ids.size() - 2;
    REQUIRE(all.ids.size() == length * static_cast<std::size_t>(count) + 2);
    int differences = 0;
    for (std::size_t i = 0; i + 2 < all.ids.size(); ++i) {
      const std::size_t from = i % length + 1;
      const auto shift = static_cast<std::int32_t>(i / length * part.size());
      const ByteRange expected = {once.offsets[from].begin + shift, once.offsets[from].end + shift};
      differences += all.ids[i + 1] != once.ids[from] || all.offsets[i + 1] != expected;
    }
    CAPTURE(part);
    CHECK(differences == 0);
  }
}

TEST_CASE("lowercase, strip_accents and handle_chinese_chars do what they say, each by itself") {
  CHECK(words(small(), "É hello Hello 北京") == "e hello hello 北 京");
  // strip_accents follows lowercase unless it is given.
  CHECK(words(small_tokenizer_with("/normalizer/lowercase", false), "É é Hello") == "É é Hello");
  CHECK(words(small_tokenizer_with("/normalizer/strip_accents", false), "É é Hello") == "é é hello");
  nlohmann::json file = small_tokenizer();
  file["normalizer"].update({{"lowercase", false}, {"strip_accents", true}});
  CHECK(words(octavo::test::open_tokenizer(file), "É é Hello") == "E e Hello");
  CHECK(words(small_tokenizer_with("/normalizer/handle_chinese_chars", false), "北京") == "北 ##京");
  CHECK(words(small_tokenizer_with("/normalizer", {{"type", "Lowercase"}}), "Hello É 北京") == "hello é 北 ##京");
  CHECK(words(small_tokenizer_with("/normalizer", nullptr), "Hello É") == "Hello É");
}

TEST_CASE("an added token is one token anywhere in a text, in exactly its own case") {
  CHECK(pieces(shipped(), "x[MASK]y [MASK]") ==
        std::vector<Piece>{
            {"[CLS]", {}}, {"x", {0, 1}}, {"[MASK]", {1, 7}}, {"y", {7, 8}}, {"[MASK]", {9, 15}}, {"[SEP]", {}}});
  CHECK(words(small(), "[mask]") == "[ mask ]");
  CHECK(words(small(), "[MASK") == "[ mask");
  CHECK(words(small(), "[[MASK]]") == "[ [MASK] ]");
  CHECK(words(small(), "[CLS]").starts_with("[ "));  // not an added token here
}

TEST_CASE("an added token keeps to its flags") {
  CHECK(pieces(with_added({{"lstrip", true}}), "a \u2003[MASK] b")[2] == Piece{"[MASK]", {1, 11}});
  CHECK(pieces(with_added({{"rstrip", true}}), "a [MASK] \u2003b")[2] == Piece{"[MASK]", {2, 12}});
  const Tokenizer single_word = with_added({{"single_word", true}});
  CHECK(words(single_word, "[MASK] a ([MASK])") == "[MASK] a [UNK] [MASK] [UNK]");
  CHECK(words(single_word, "a[MASK]") == "a [ mask ]");
  CHECK(words(single_word, "[MASK]é [MASK]") == "[ mask ] e [MASK]");
  // A normalized one is looked for in normalized text, by its normalized content.
  CHECK(words(with_added({{"normalized", true}}), "[mask] [MÁSK]a") == "[MASK] [MASK] a");
  CHECK(pieces(with_added({{"normalized", true}}), "[MÁSK]")[1] == Piece{"[MASK]", {0, 7}});
}

TEST_CASE("white space that rstrip takes may be part of the tokens that begin in it, as in the tokenizers library") {
  const auto size = octavo::test::small_vocabulary().size();
  const auto with_tokens = [&](std::initializer_list<nlohmann::json> tokens) {
    nlohmann::json file = small_tokenizer();
    for (nlohmann::json changes : tokens) {
      nlohmann::json token = file["added_tokens"][0];
      token["id"] = size + file["added_tokens"].size() - 1;
      token.update(changes);
      file["added_tokens"].push_back(token);
    }
    return octavo::test::open_tokenizer(file);
  };
  const auto spans = [](const Tokenizer& tokenizer, const std::string& text) {
    std::vector<octavo::ByteRange> result = tokenizer.encode(text).offsets;
    return std::vector<octavo::ByteRange>(result.begin() + 1, result.end() - 1);
  };
  using Spans = std::vector<octavo::ByteRange>;
  CHECK(spans(with_tokens({{{"content", " "}, {"rstrip", true}}}), "a    b") ==
        Spans{{0, 1}, {1, 5}, {2, 5}, {3, 5}, {4, 5}, {5, 6}});
  CHECK(spans(with_tokens({{{"content", " "}, {"rstrip", true}, {"lstrip", true}}}), "a    b") ==
        Spans{{0, 1}, {1, 5}, {5, 6}});
  const nlohmann::json q = {{"content", "q"}, {"rstrip", true}};
  CHECK(spans(with_tokens({q, {{"content", " y"}}}), "a q   y b") == Spans{{0, 1}, {2, 6}, {5, 7}, {8, 9}});
  CHECK(spans(with_tokens({q, {{"content", " y"}, {"lstrip", true}}}), "a q   y b") ==
        Spans{{0, 1}, {2, 6}, {6, 7}, {8, 9}});
  CHECK(spans(with_tokens({q, {{"content", "  "}, {"lstrip", true}}}), "a q     b") == Spans{{0, 1}, {2, 8}, {8, 9}});
}

TEST_CASE("a word longer than any that is walked along has the same pieces") {
  nlohmann::json file = small_tokenizer();
  file["model"]["max_input_chars_per_word"] = 1'000'000;
  const Tokenizer tokenizer = octavo::test::open_tokenizer(file);
  std::string word, expected = "a";
  for (int i = 0; i < 3000; ++i) {
    word += i == 0 ? "a" : i % 3 ? "aff" : "b";
    expected += i == 0 ? "" : i % 3 ? " ##aff" : " ##b";
  }
  CHECK(words(tokenizer, word) == expected);
  CHECK(words(tokenizer, word + "?") == expected + " [UNK]");
  CHECK(words(tokenizer, word + "z") == "[UNK]");
  CHECK(words(tokenizer, "z" + word) == "[UNK]");
}

TEST_CASE("of added tokens that begin at one place the longest counts") {
  nlohmann::json file = small_tokenizer(), token = file["added_tokens"][0];
  const auto size = octavo::test::small_vocabulary().size();
  for (const char* content : {"[MASK][", "xx", "xxx"}) {
    token.update({{"content", content}, {"id", size + file["added_tokens"].size() - 1}});
    file["added_tokens"].push_back(token);
  }
  const Tokenizer tokenizer = octavo::test::open_tokenizer(file);
  CHECK(tokenizer.vocab_size() == static_cast<int>(size) + 3);
  CHECK(words(tokenizer, "[MASK][MASK]") == "[MASK][ mask ]");
  CHECK(words(tokenizer, "xxxxx x") == "xxx xx x");
}

TEST_CASE("token() gives the text of each id and refuses the others") {
  CHECK(shipped().vocab_size() == 30522);
  CHECK(shipped().token(0) == "[PAD]");
  CHECK(shipped().token(101) == "[CLS]");
  CHECK(shipped().token(3468) == "##ble");
  CHECK_NOTHROW(shipped().token(30521));
  CHECK(refusal([] { shipped().token(30522); }) == "token id is 30522, expected 0 to 30521");
  CHECK(refusal([] { shipped().token(-1); }) == "token id is -1, expected 0 to 30521");
}
