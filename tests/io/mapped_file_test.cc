// A file reads the same where it is copied to as where it is mapped, and a copy stays what it was.
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
  const MappedFile mapped(file), copied(file, FileBytes::copied);
  REQUIRE(copied.bytes().size() == kSize);
  CHECK(copied.bytes().starts_with("the first bytes"));
  CHECK(copied.bytes().ends_with("the last bytes"));
  CHECK(copied.bytes() == mapped.bytes());
  CHECK(reinterpret_cast<std::uintptr_t>(copied.bytes().data()) % 64 == 0);
}

TEST_CASE("what was copied stays when the file is cut or written over, whatever its size", "[mapped_file]") {
  const TemporaryDirectory directory;
  const std::filesystem::path file = directory.path() / "file";
  for (const std::size_t size : {std::size_t{1}, std::size_t{100'000}, std::size_t{5'000'000}}) {
    std::ofstream(file) << std::string(size, 'a');
    const MappedFile copied(file, FileBytes::copied);
    std::filesystem::resize_file(file, 0);
    CHECK(copied.bytes() == std::string(size, 'a'));
    std::ofstream(file) << std::string(size, 'b');
    CHECK(copied.bytes() == std::string(size, 'a'));
  }
}
