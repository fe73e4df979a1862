// Windows and pieces of a long text.
#include "data/token_windows.h"

#include "tests/support/support.h"

#include "octavo/error.h"

using namespace octavo;
using namespace octavo::tools;

namespace {

Tokens numbers(int count) {
  Tokens text{.ids = {2}};
  for (int i = 0; i < count; ++i) text.ids.push_back(100 + i);
  return text;
}

}  // namespace

TEST_CASE("windows that overlap score each token but the first once") {
  for (const std::size_t stride : {std::size_t{1}, std::size_t{3}, std::size_t{4}}) {
    for (const int length : {1, 4, 5, 13}) {
      std::vector<std::int32_t> scored;
      for (const ScoredWindow& window : windows_of(numbers(length), 5, stride)) {
        REQUIRE(window.tokens.ids.size() <= 5);
        REQUIRE(window.scored < window.tokens.ids.size());
        scored.insert(scored.end(), window.tokens.ids.end() - static_cast<std::ptrdiff_t>(window.scored),
                      window.tokens.ids.end());
      }
      const Tokens text = numbers(length);
      CHECK(scored == std::vector<std::int32_t>(text.ids.begin() + 1, text.ids.end()));
    }
  }
}

TEST_CASE("windows side by side score all but the first token of each") {
  const std::vector<ScoredWindow> windows = windows_of(numbers(12), 5, 5);
  REQUIRE(windows.size() == 3);
  CHECK(windows[0].tokens.ids == std::vector<std::int32_t>{2, 100, 101, 102, 103});
  CHECK(windows[2].tokens.ids == std::vector<std::int32_t>{109, 110, 111});
  CHECK(windows[0].scored == 4);
  CHECK(windows[2].scored == 2);
}

TEST_CASE("a text of less than two tokens has no windows") {
  CHECK_THROWS_WITH(windows_of(numbers(0), 5, 5), Catch::Contains("1 tokens, expected at least two"));
}
