// Windows and pieces of a long text.
#include "token_windows.h"

#include "tests/support.h"

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

TEST_CASE("windows begin with the beginning-of-text token and score each token once") {
  for (const std::size_t stride : {std::size_t{1}, std::size_t{3}, std::size_t{4}}) {
    for (const int length : {1, 4, 5, 13}) {
      std::vector<std::int32_t> scored;
      for (const TokenWindow& window : windows_of(numbers(length), {.bos_token = 2, .eos_token = 2}, 5, stride)) {
        REQUIRE(window.tokens.ids.size() <= 5);
        CHECK(window.tokens.ids[0] == 2);
        scored.insert(scored.end(), window.tokens.ids.end() - static_cast<std::ptrdiff_t>(window.scored), window.tokens.ids.end());
      }
      const Tokens text = numbers(length);
      CHECK(scored == std::vector<std::int32_t>(text.ids.begin() + 1, text.ids.end()));
    }
  }
}

TEST_CASE("a text without tokens has no windows") {
  CHECK_THROWS_WITH(windows_of(numbers(0), {}, 5, 4), Catch::Contains("no tokens"));
}
