// Tests of the memory that is left, on directories that look like the kernel's.
#include "system/free_memory.h"

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/error.h"

#include <limits>

using octavo::free_memory;
using octavo::test::TemporaryDirectory;
using octavo::test::write_bytes;

namespace {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("what the machine has left counts, and nothing is no limit") {
  const TemporaryDirectory root;
  CHECK(free_memory(root.path()) == kUnlimited);
  write_bytes(
      root / "proc/meminfo",
      "MemTotal:       24000000 kB\nMemFree:         1000 kB\nMemAvailable:       5000 kB\nHugePages_Total:       0\n");
  CHECK(free_memory(root.path()) == 5000 * 1024);
  for (const char* text :
       {"", "MemAvailable:", "MemAvailable: x kB", "MemAvailable: -5 kB", "MemAvailable: 9223372036854775807 kB"}) {
    CAPTURE(text);
    write_bytes(root / "proc/meminfo", text);
    CHECK(free_memory(root.path()) == kUnlimited);
  }
}

TEST_CASE("version 2: the group with the least room counts, copies of files are room") {
  const TemporaryDirectory root;
  write_bytes(root / "proc/meminfo", "MemAvailable: 8000 kB\n");
  write_bytes(root / "proc/self/cgroup", "0::/outer/inner\n");
  write_bytes(root / "sys/fs/cgroup/outer/inner/memory.max", "max\n");
  write_bytes(root / "sys/fs/cgroup/outer/inner/memory.current", "3000000\n");
  CHECK(free_memory(root.path()) == 8000 * 1024);
  write_bytes(root / "sys/fs/cgroup/outer/memory.max", "4000000\n");
  write_bytes(root / "sys/fs/cgroup/outer/memory.current", "3500000\n");
  CHECK(free_memory(root.path()) == 500000);
  write_bytes(root / "sys/fs/cgroup/outer/memory.stat", "anon 3000000\ninactive_file 300000\nactive_file 200000\n");
  CHECK(free_memory(root.path()) == 1000000);
  write_bytes(root / "sys/fs/cgroup/outer/memory.current", "5000000\n");
  CHECK(free_memory(root.path()) == 0);
}

TEST_CASE("version 1: the memory controller's limit counts") {
  const TemporaryDirectory root;
  write_bytes(root / "proc/self/cgroup", "5:memory:/job\n2:cpu:/other\n0::/\n");
  write_bytes(root / "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2000000\n");
  write_bytes(root / "sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1500000\n");
  write_bytes(root / "sys/fs/cgroup/memory/job/memory.stat",
              "cache 9\ntotal_inactive_file 100000\ntotal_active_file 0\n");
  CHECK(free_memory(root.path()) == 600000);
  write_bytes(root / "sys/fs/cgroup/memory/job/memory.limit_in_bytes", "-1\n");
  CHECK(free_memory(root.path()) == kUnlimited);
}

TEST_CASE("a budget is what was given, or half of what is free") {
  CHECK(octavo::memory_budget(0) == 0);
  CHECK(octavo::memory_budget(12345) == 12345);
  CHECK(octavo::memory_budget({}) > 0);
  CHECK_THROWS_WITH(octavo::memory_budget(-1), "a budget of memory is -1 bytes, expected at least 0");
}
