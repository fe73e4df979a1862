// Files that appear whole or not at all, and .npy in particular.
#include "cli/output.h"

#include "cli/npy.h"
#include "tests/tools/support.h"

#include "octavo/error.h"

#include <cstring>

using namespace octavo;
using namespace octavo::tools;
using octavo::test::Scratch;

TEST_CASE("a file appears with commit() and not before") {
  const Scratch scratch;
  scratch.write("a.txt", "old");
  {
    Output output(scratch.path("a.txt"));
    output.write(std::string(200000, 'x'));
    output.flush();
    CHECK(scratch.read("a.txt") == "old");
    output.commit();
  }
  CHECK(scratch.read("a.txt") == std::string(200000, 'x'));
  CHECK(scratch.names() == std::set<std::string>{"a.txt"});
}

TEST_CASE("without commit() the old file stays and nothing else") {
  const Scratch scratch;
  scratch.write("a.txt", "old");
  {
    Output output(scratch.path("a.txt"));
    output.write("new");
    output.flush();
  }
  CHECK(scratch.read("a.txt") == "old");
  CHECK(scratch.names() == std::set<std::string>{"a.txt"});
}

TEST_CASE("the file behind a symbolic link is replaced, not the link") {
  const Scratch scratch;
  scratch.write("file", "old");
  std::filesystem::create_symlink("file", scratch.path("link"));
  Output output(scratch.path("link"));
  output.write("new");
  output.commit();
  CHECK(std::filesystem::is_symlink(scratch.path("link")));
  CHECK(scratch.read("file") == "new");
}

TEST_CASE("what cannot be created is an Error, and trying leaves nothing") {
  const Scratch scratch;
  CHECK_THROWS_AS(Output(scratch.path("none/a.txt")), Error);
  CHECK_THROWS_AS(Output(scratch.path("")), Error);
  CHECK_THROWS_AS(require_creatable("/dev/null"), Error);
  require_creatable(scratch.path("a.txt"));
  CHECK(scratch.names().empty());
}

TEST_CASE("a full device is an Error") {
  if (!std::filesystem::exists("/dev/full")) return;
  Output output("/dev/full");
  output.write("text");
  CHECK_THROWS_AS(output.commit(), Error);
}

TEST_CASE("a .npy file says its shape after rows have come in any number") {
  const Scratch scratch;
  const std::vector<float> rows = {1, 2, 3, 4, 5, -0.5f};
  const auto part = [&](std::size_t first, std::int64_t count) {
    Tensor tensor(DType::f32, {count, 2});
    std::ranges::copy(std::span(rows).subspan(first, tensor.as<float>().size()), tensor.writable<float>().begin());
    return tensor;
  };
  Output output(scratch.path("a.npy"));
  NpyWriter writer(output, 2);
  writer.write(part(0, 1));
  writer.write(part(2, 2));
  writer.finish();
  output.commit();

  const std::string bytes = scratch.read("a.npy");
  REQUIRE(bytes.size() == 128 + 6 * sizeof(float));
  CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  CHECK(bytes.substr(10, 62) == "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }   ");
  CHECK(bytes[127] == '\n');
  std::vector<float> values(6);
  std::memcpy(values.data(), bytes.data() + 128, 6 * sizeof(float));
  CHECK(values == rows);
}
