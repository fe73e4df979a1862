// The samples that octavo brings along, and the pairs that it makes of texts.
#include "octavo/samples.h"

#include "tests/support/support.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <string_view>

namespace octavo::test {

TEST_CASE("the first sample texts are a mixture: languages, code, words and pages") {
  const auto texts = sample_texts();
  REQUIRE(texts.size() >= 300);
  CHECK(std::set<std::string>(texts.begin(), texts.end()).size() == texts.size());
  const auto first = texts.first(64);
  const auto has = [&](std::string_view part) {
    return std::any_of(first.begin(), first.end(),
                       [&](const std::string& text) { return text.find(part) != text.npos; });
  };
  for (const char* part : {"the ", "Der ", "é", "о", "的", "は", "ا", "{", "?", "\n"}) {
    INFO(part);
    CHECK(has(part));
  }
  const auto by_size = [](const std::string& a, const std::string& b) { return a.size() < b.size(); };
  CHECK(std::min_element(first.begin(), first.end(), by_size)->size() < 16);
  CHECK(std::max_element(first.begin(), first.end(), by_size)->size() > 1200);
  CHECK(std::none_of(texts.begin(), texts.end(), [](const std::string& text) {
    return text.empty() || text.find('\t') != text.npos;  // a tab would make it a pair
  }));
}

TEST_CASE("a pair of sentences is a text's first two, or two texts of one sentence") {
  const std::vector<std::string> texts = {"One.", "First here. Then there! At last?", "Version 2.0 is out",
                                          "今天。明天。"};
  const auto pairs = sentence_pairs(texts);
  REQUIRE(pairs.size() == 3);
  CHECK(pairs[0].first == "First here.");
  CHECK(pairs[0].second == "Then there!");
  CHECK(pairs[1].first == "One.");
  CHECK(pairs[1].second == "Version 2.0 is out");
  CHECK(pairs[2].first == "今天。");
  CHECK(pairs[2].second == "明天。");
}

TEST_CASE("a question is a sentence of its context, which short texts are put together to") {
  const std::string page = "It rains. " + std::string(400, 'x');
  const std::vector<std::string> texts = {page, "A cat.", "A dog."};
  const auto pairs = question_pairs(texts);
  REQUIRE(pairs.size() == 2);
  CHECK(pairs[0].first == "It rains.");
  CHECK(pairs[0].second == page);
  CHECK(pairs[1].first == "A dog.");
  CHECK(pairs[1].second == "A cat. A dog.");
  CHECK(question_pairs(std::vector<std::string>{"Alone."}).empty());
}

TEST_CASE("a sample picture has the same bytes everywhere, and another number is another picture") {
  const Image picture = sample_picture(3, 48);
  CHECK(picture.width == 48);
  REQUIRE(picture.pixels.size() == std::size_t{48 * 48 * 3});
  const auto digest = [](const Image& image) {
    return std::accumulate(image.pixels.begin(), image.pixels.end(), 0u,
                           [](unsigned sum, std::uint8_t byte) { return sum * 31 + byte; });
  };
  CHECK(digest(picture) == 3993345036u);
  std::set<unsigned> digests;
  for (unsigned number = 0; number < 64; ++number) digests.insert(digest(sample_picture(number, 48)));
  CHECK(digests.size() == 64);
  CHECK(refusal([] { sample_picture(0, 0); }) == "a picture of 0 pixels is asked for, expected 1 to 4096");
}

}  // namespace octavo::test
