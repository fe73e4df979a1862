// Tests of Buffer and Workspace.
#include "runtime/workspace.h"

#include "tests/support/support.h"

#include "octavo/system.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

using octavo::Buffer;
using octavo::Workspace;

TEST_CASE("a buffer is long enough, 64-byte aligned and zero, at every size") {
  for (const std::size_t bytes : {0ul, 1ul, 64ul, 65ul, 1000ul, 4ul << 20, (8ul << 20) + 1}) {
    CAPTURE(bytes);
    Buffer buffer;
    const auto* data = static_cast<const std::uint8_t*>(buffer.reserve(bytes));
    REQUIRE(data != nullptr);
    REQUIRE(buffer.bytes() >= bytes);
    REQUIRE(reinterpret_cast<std::uintptr_t>(data) % 64 == 0);
    REQUIRE(std::all_of(data, data + buffer.bytes(), [](std::uint8_t byte) { return byte == 0; }));
  }
}

TEST_CASE("a buffer keeps its contents while it need not grow, and is zero again when it grew") {
  Buffer buffer;
  void* data = buffer.reserve(1000);
  std::memset(data, 7, 1000);
  REQUIRE(buffer.reserve(10) == data);
  REQUIRE(buffer.reserve(1000) == data);
  REQUIRE(static_cast<std::uint8_t*>(data)[999] == 7);
  const auto* grown = static_cast<const std::uint8_t*>(buffer.reserve(100000));
  REQUIRE(std::all_of(grown, grown + 100000, [](std::uint8_t byte) { return byte == 0; }));
}

TEST_CASE("a workspace has the threads asked for, also more than there are cores") {
  for (const int threads : {1, 2, 7}) REQUIRE(Workspace({.threads = threads}).threads() == threads);
  REQUIRE(Workspace().threads() == octavo::default_threads());
  REQUIRE_THROWS_WITH(Workspace({.threads = -1}),
                      "WorkspaceOptions::threads is -1, expected a positive number, or 0 for "
                      "the cores that this process may use.");
}

TEST_CASE("a workspace can be moved with its buffers") {
  Workspace first({.threads = 2});
  const float* data = data_of(first).get<float>("values", 100);
  Workspace second = std::move(first);
  REQUIRE(data_of(second).get<float>("values", 100) == data);
  REQUIRE(data_of(second).get<float>("others", 100) != data);
  REQUIRE(second.threads() == 2);
}
