// Patterns that are looked for all at once: what is found where, against looking for one after the other.
#include "tokenizer/unicode/pattern_set.h"

#include "tests/support/support.h"

#include <algorithm>
#include <random>
#include <string>

using octavo::PatternSet;

namespace {

struct Found {
  std::size_t begin, end;
  std::int32_t pattern;
  bool operator==(const Found&) const = default;
};

std::vector<Found> find(const std::vector<std::string>& patterns, const std::string& text) {
  std::vector<Found> result;
  for (const auto& each : PatternSet({patterns.begin(), patterns.end()}).find(text)) {
    result.push_back({each.begin, each.end, each.pattern});
  }
  return result;
}

/// The same, place by place and pattern by pattern.
std::vector<Found> find_plainly(const std::vector<std::string>& patterns, const std::string& text) {
  std::vector<Found> result;
  for (std::size_t at = text.size(); at-- > 0;) {
    std::int32_t best = -1;
    for (std::size_t i = 0; i < patterns.size(); ++i) {
      const bool is_longer = best < 0 || patterns[i].size() > patterns[static_cast<std::size_t>(best)].size();
      if (is_longer && text.compare(at, patterns[i].size(), patterns[i]) == 0) best = static_cast<std::int32_t>(i);
    }
    if (best >= 0) result.push_back({at, at + patterns[static_cast<std::size_t>(best)].size(), best});
  }
  return result;
}

std::string random_text(std::mt19937& random, std::size_t most, unsigned letters) {
  std::string text(1 + random() % most, ' ');
  for (char& c : text) c = static_cast<char>("abc\xff\x80 "[random() % letters]);
  return text;
}

}  // namespace

TEST_CASE("the longest pattern that begins at each place is found, the first of equal ones") {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const unsigned letters = 1 + random() % 6;
    std::vector<std::string> patterns;
    for (unsigned i = 0; i < 1 + random() % 40; ++i) patterns.push_back(random_text(random, 9, letters));
    const std::string text = random_text(random, 200, letters);
    CAPTURE(text);
    REQUIRE(find(patterns, text) == find_plainly(patterns, text));
  }
}

TEST_CASE("patterns beyond what the table of steps holds are found, too") {
  std::mt19937 random(4);
  std::vector<std::string> patterns;
  for (int i = 0; i < 3000; ++i) {  // some 12,000 states of 257 classes, of which 4,080 have a row
    std::string pattern(5, ' ');
    for (char& c : pattern) c = static_cast<char>(random());
    patterns.push_back(pattern);
  }
  std::string text;
  for (int i = 0; i < 200; ++i) text += patterns[random() % patterns.size()].substr(random() % 3);
  CHECK(find(patterns, text) == find_plainly(patterns, text));
}
