// The version's numbers and its text.
#include "octavo/version.h"

#include "tests/support/support.h"

#include <string>

TEST_CASE("the version's numbers and its text are the same") {
  CHECK(octavo::kVersion == std::to_string(OCTAVO_VERSION_MAJOR) + "." + std::to_string(OCTAVO_VERSION_MINOR) + "." +
                                std::to_string(OCTAVO_VERSION_PATCH));
}
