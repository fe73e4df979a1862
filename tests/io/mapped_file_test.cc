// A large file reads the same from huge pages as from its mapping.
#include "io/mapped_file.h"

#include "tests/support/temporary_directory.h"

#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

using namespace octavo;
using octavo::test::TemporaryDirectory;

TEST_CASE("A large file is the same bytes in huge pages and where it is mapped", "[mapped_file]") {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / "large";
  constexpr std::size_t kSize = (std::size_t{64} << 20) + 12345;
  std::ofstream(file) << "the first bytes";
  std::filesystem::resize_file(file, kSize - 14);
  std::ofstream(file, std::ios::app) << "the last bytes";
  const MappedFile mapped(file), copied(file, LargeFiles::huge_pages);
  REQUIRE(copied.bytes().size() == kSize);
  CHECK(copied.bytes().starts_with("the first bytes"));
  CHECK(copied.bytes().ends_with("the last bytes"));
  CHECK(copied.bytes() == mapped.bytes());
  CHECK(reinterpret_cast<std::uintptr_t>(copied.bytes().data()) % 64 == 0);
}
