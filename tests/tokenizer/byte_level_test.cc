// Tests of byte-level BPE: the golden texts, words, merges, offsets, and time on hostile input.
#include "tests/support/byte_level_support.h"

#include <ctime>
#include <fstream>

using octavo::ByteRange;
using octavo::Tokenizer;
using octavo::Tokens;
using octavo::test::bpe_words;
using octavo::test::Piece;
using octavo::test::pieces;
using octavo::test::small_bpe;
using octavo::test::small_bpe_with;

namespace {

using Ids = std::vector<std::int32_t>;

const Tokenizer& small() {
  static const Tokenizer tokenizer = octavo::test::open_tokenizer(small_bpe());
  return tokenizer;
}

struct GoldenText {
  std::string text;
  Ids ids;
};

std::vector<GoldenText> golden_texts(const std::filesystem::path& file) {
  std::vector<GoldenText> result;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t tab = line.find('\t');
    std::istringstream numbers(line.substr(tab + 1));
    result.push_back({.text = nlohmann::json::parse(line.substr(0, tab)).get<std::string>(),
                      .ids = Ids(std::istream_iterator<std::int32_t>(numbers), {})});
  }
  return result;
}

/// Of the processor, so that what else runs on the machine does not count.
double seconds_to_encode(const Tokenizer& tokenizer, const std::string& text) {
  const std::clock_t begin = std::clock();
  tokenizer.encode(text);
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

}  // namespace

TEST_CASE("each golden text gives the ids of OPT's tokenizer, from merges.txt and from tokenizer.json, and comes back",
          "[shared]") {
  const auto file = octavo::test::shared_data("golden/opt-bpe.tsv");
  const auto opt = octavo::test::shared_data("tokenizers/opt");
  if (!file || !opt) return;
  const Tokenizer from_files = Tokenizer::from_checkpoint(*opt);
  const Tokenizer again = Tokenizer::from_json(from_files.to_json());
  CHECK(from_files.vocab_size() == 50265);
  CHECK(again.to_json() == from_files.to_json());
  const std::vector<GoldenText> texts = golden_texts(*file);
  CHECK(texts.size() == 339);
  for (const GoldenText& golden : texts) {
    CAPTURE(golden.text);
    REQUIRE(from_files.encode(golden.text).ids == golden.ids);
    REQUIRE(again.encode(golden.text).ids == golden.ids);
    REQUIRE(from_files.encode(golden.text).offsets == again.encode(golden.text).offsets);
    REQUIRE(from_files.decode(golden.ids) == golden.text);
  }
}

TEST_CASE("an OPT checkpoint's texts begin with the prefix that its config.json names", "[shared]") {
  const auto model = octavo::test::find_model("opt-mini");
  const auto file = octavo::test::shared_data("golden/opt-bpe.tsv");
  if (!model || !file) return;
  const Tokenizer tokenizer = Tokenizer::from_checkpoint(*model);
  for (const GoldenText& golden : golden_texts(*file)) {
    Ids expected = golden.ids;
    expected.insert(expected.begin(), 2);
    REQUIRE(tokenizer.encode(golden.text).ids == expected);
  }
  CHECK(tokenizer.encode("a</s>").ids == Ids{2, 102, 2});
  CHECK(tokenizer.decode(Ids{2, 102, 2}) == "a");
}

TEST_CASE("words are contractions, letters, digits and other characters with a space before them, and white space") {
  const auto word = [](const std::string& text) { return bpe_words(small(), text); };
  CHECK(word("") == "");
  CHECK(word("hello hello") == "hello|Ġ|hello");
  CHECK(word("hello w12w 12") == "hello|Ġw|12|w|Ġ|12");
  CHECK(word("'s s's 's") == "'s|Ġ|s|'s|Ġ|'|s");
  CHECK(word("a  w") == "a|Ġ|Ġw");
  CHECK(word("a\n w") == "a|Ċ|Ġw");
  CHECK(word("aa\xc2\xa0w") == "aa|Â|ł|w");  // white space that is no space joins nothing
  CHECK(word("h1e") == "h|1|e");
  CHECK(word("12\xc2\xb2") == "12|Â|²");  // a superscript is a number
  CHECK(word("\xc3\xa9 e") == "Ã©|Ġ|e");
  CHECK(word("a ") == "a|Ġ");
}

TEST_CASE("the earliest merge goes first, and of equal ones the leftmost") {
  CHECK(bpe_words(small(), "aaa") == "aa|a");
  CHECK(bpe_words(small(), "aaaaa") == "aaaa|a");
  CHECK(bpe_words(small(), std::string(7, 'a')) == "aaaa|aa|a");
  CHECK(bpe_words(small(), "hell") == "he|ll");
  CHECK(bpe_words(small(), "lllo") == "ll|l|o");
  const Tokenizer other = small_bpe_with("/model/merges", {"ll o", "he llo", "h e", "l l"});
  CHECK(bpe_words(other, "hello") == "hello");
  const Tokenizer without = small_bpe_with("/model/merges", {"h e", "l l"});
  CHECK(bpe_words(without, "hello") == "he|ll|o");
}

TEST_CASE("a word has the same tokens whether it is short or long") {
  for (int count = 1; count < 200; ++count) {
    std::string expected;
    for (int i = 0; i < count / 4; ++i) expected += "aaaa|";
    if (count % 4 >= 2) expected += "aa|";
    if (count % 2 == 1) expected += "a|";
    CAPTURE(count);
    REQUIRE(bpe_words(small(), std::string(static_cast<std::size_t>(count), 'a')) + "|" == expected);
    std::string hello, hellos;
    for (int i = 0; i < count; ++i) hello += "hello", hellos += "hello|";
    REQUIRE(bpe_words(small(), hello) + "|" == hellos);
  }
}

TEST_CASE("time grows with the text, not with its square, whatever one word of it is") {
  for (const std::string& part : {std::string("a"), std::string("hello"), std::string("lo"), std::string(" "),
                                  std::string("\n"), std::string("\xff"), std::string("'"), std::string("</s")}) {
    std::string small_text, large_text;
    while (small_text.size() < 1 << 16) small_text += part;
    for (int i = 0; i < 16; ++i) large_text += small_text;
    double least_small = 1e9, least_large = 1e9;
    for (int i = 0; i < 5; ++i) {
      least_small = std::min(least_small, seconds_to_encode(small(), small_text));
      least_large = std::min(least_large, seconds_to_encode(small(), large_text));
    }
    CAPTURE(part);
    CHECK(least_large < 100 * least_small);  // in n squared it would be 256 times as long
  }
}

TEST_CASE("offsets of byte-level tokens are the very bytes that they stand for") {
  CHECK(pieces(small(), "hello w\xc3\xa9") ==
        std::vector<Piece>{{"</s>", {0, 0}}, {"hello", {0, 5}}, {"Ġw", {5, 7}}, {"Ã©", {7, 9}}});
  CHECK(pieces(small(), "\xe5\x8c\x97") ==
        std::vector<Piece>{{"</s>", {0, 0}}, {"å", {0, 1}}, {"Į", {1, 2}}, {"Ĺ", {2, 3}}});
  std::string text;
  for (int i = 0; i < 3000; ++i) text += i % 7 == 0 ? " \xc3\xa9  12" : i % 3 == 0 ? "\n\n hello" : " w's";
  std::int32_t end = 0;
  for (const ByteRange& span : small().encode(text).offsets) {
    REQUIRE(span.begin == end);
    end = span.end;
  }
  CHECK(end == static_cast<std::int32_t>(text.size()));
}

TEST_CASE("ill-formed UTF-8 is read as U+FFFD, whose tokens stand for the ill-formed bytes") {
  CHECK(bpe_words(small(), "a\xff\x80") == "a|ï|¿|½|ï|¿|½");
  CHECK(pieces(small(), "a\xe5\x8c")[2] == Piece{"ï", {1, 3}});
  CHECK(bpe_words(small(), "a\xef\xbf\xbd") == "a|ï|¿|½");
  CHECK(bpe_words(small(), std::string("\0a", 2)) == "Ā|a");
}

TEST_CASE("with trim_offsets tokens do not stand for the spaces at their ends") {
  const Tokenizer tokenizer =
      small_bpe_with("/post_processor",
                     {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}});
  const Tokenizer again = Tokenizer::from_json(tokenizer.to_json());
  for (const Tokenizer& t : {tokenizer, again}) {
    CHECK(pieces(t, "a w  ") == std::vector<Piece>{{"a", {0, 1}}, {"Ġw", {2, 3}}, {"Ġ", {4, 4}}, {"Ġ", {5, 5}}});
    CHECK(pieces(t, " w w") == std::vector<Piece>{{"Ġw", {0, 2}}, {"Ġw", {3, 4}}});  // it may have been added
  }
}

TEST_CASE("with add_prefix_space a text is read as if a space began it, and so is what follows an added token") {
  const Tokenizer tokenizer = small_bpe_with("/pre_tokenizer/add_prefix_space", true);
  const Tokenizer again = Tokenizer::from_json(tokenizer.to_json());
  for (const Tokenizer& t : {tokenizer, again}) {
    CHECK(bpe_words(t, "w") == "Ġw");
    CHECK(bpe_words(t, " w") == "Ġw");
    CHECK(bpe_words(t, "\nw") == "Ġ|Ċ|w");
    CHECK(bpe_words(t, "'s") == "Ġ|'|s");
    CHECK(bpe_words(t, "w</s>w") == "Ġw|</s>|Ġw");
    CHECK(bpe_words(t, "") == "");
    CHECK(pieces(t, "w")[1] == Piece{"Ġw", {0, 1}});
  }
}

TEST_CASE("a long text has the tokens of its parts") {
  const std::string part = "hello w's  12\n\n aaaa \xc3\xa9!";
  std::string text;
  Ids expected = {256};
  const Ids once = small().encode(part + " ").ids;
  while (text.size() < 40000) {
    text += part + " ";
    expected.insert(expected.end(), once.begin() + 1, once.end());
  }
  CHECK(small().encode(text).ids == expected);
}
