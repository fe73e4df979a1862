// The test program's main, for Catch2 2 (Debian 12) and 3, and the one file that knows where the project and the build
// lie.
#define CATCH_CONFIG_RUNNER
#include "tests/support/support.h"

#include <atomic>

namespace octavo::test {
namespace {

constexpr int kSkipped = 77;  // as automake and CTest know it, see SKIP_RETURN_CODE in CMakeLists.txt
std::atomic<bool> has_skipped = false;

}  // namespace

std::filesystem::path source_dir() { return OCTAVO_SOURCE_DIR; }
std::filesystem::path build_dir() { return OCTAVO_BINARY_DIR; }

void skip(const std::string& what) {
  has_skipped = true;
  WARN("SKIPPED: " << what);
}

}  // namespace octavo::test

int main(int argc, char** argv) {
  const int result = Catch::Session().run(argc, argv);
  return result == 0 && octavo::test::has_skipped ? octavo::test::kSkipped : result;
}
