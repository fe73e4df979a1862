// Tests of the CPU quota of control groups, on directories that look like the kernel's.
#include "system/cpu_limit.h"

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/engine.h"

#include <sched.h>
#include <thread>

using octavo::cgroup_cpu_limit;
using octavo::test::TemporaryDirectory;
using octavo::test::write_bytes;

TEST_CASE("without control groups there is no limit") {
  const TemporaryDirectory root;
  REQUIRE(cgroup_cpu_limit(root.path()) == std::nullopt);
}

TEST_CASE("version 2: the smallest quota on the way to the root counts, rounded up") {
  const TemporaryDirectory root;
  write_bytes(root / "proc/self/cgroup", "0::/outer/inner\n");
  write_bytes(root / "sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
  REQUIRE(cgroup_cpu_limit(root.path()) == std::nullopt);
  write_bytes(root / "sys/fs/cgroup/outer/inner/cpu.max", "350000 100000\n");
  REQUIRE(cgroup_cpu_limit(root.path()) == 4);
  write_bytes(root / "sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
  REQUIRE(cgroup_cpu_limit(root.path()) == 2);
  write_bytes(root / "sys/fs/cgroup/cpu.max", "10000 100000\n");
  REQUIRE(cgroup_cpu_limit(root.path()) == 1);
}

TEST_CASE("version 2: a container whose group is mounted as the root finds its quota there") {
  const TemporaryDirectory root;
  write_bytes(root / "sys/fs/cgroup/cpu.max", "300000 100000\n");
  write_bytes(root / "sys/fs/other/cpu.max", "100000 100000\n");  // not a control group
  for (const char* path : {"/", "/docker/0123abcd", "/../other"}) {
    CAPTURE(path);
    write_bytes(root / "proc/self/cgroup", std::string("0::") + path + "\n");
    REQUIRE(cgroup_cpu_limit(root.path()) == 3);
  }
}

TEST_CASE("version 1: quota and period of the cpu controller count, -1 is none") {
  const TemporaryDirectory root;
  const auto set = [&](const std::string& group, const char* quota) {
    write_bytes(root / "sys/fs/cgroup" / group / "cpu.cfs_quota_us", quota);
    write_bytes(root / "sys/fs/cgroup" / group / "cpu.cfs_period_us", "50000\n");
  };
  SECTION("cpu alone") {
    write_bytes(root / "proc/self/cgroup", "9:cpuset:/x\n1:cpu:/job\n0::/\n");
    set("cpu/job", "-1\n");
    set("cpuset/x", "50000\n");
    REQUIRE(cgroup_cpu_limit(root.path()) == std::nullopt);
    set("cpu/job", "125000\n");
    REQUIRE(cgroup_cpu_limit(root.path()) == 3);
    set("cpu", "100000\n");
    REQUIRE(cgroup_cpu_limit(root.path()) == 2);
  }
  SECTION("cpu with cpuacct") {
    write_bytes(root / "proc/self/cgroup", "4:cpu,cpuacct:/job\n");
    set("cpu,cpuacct/job", "200000\n");
    REQUIRE(cgroup_cpu_limit(root.path()) == 4);
  }
}

TEST_CASE("what is malformed counts as no quota") {
  const TemporaryDirectory root;
  for (const char* quota : {"", "max", "100000", "x y", "100000 0", "0 0", "-5 10", "nan 1", "1e300 1"}) {
    CAPTURE(quota);
    write_bytes(root / "proc/self/cgroup", "garbage\n:\n0::\n0::/\n");
    write_bytes(root / "sys/fs/cgroup/cpu.max", quota);
    REQUIRE(cgroup_cpu_limit(root.path()) == std::nullopt);
  }
}

TEST_CASE("the default number of threads follows the affinity of the calling thread") {
  REQUIRE(octavo::default_threads() >= 1);
  std::thread([] {
    cpu_set_t allowed, one;
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
      if (CPU_ISSET(cpu, &allowed)) CPU_SET(cpu, &one);
    if (::sched_setaffinity(0, sizeof one, &one) != 0) return;
    CHECK(octavo::default_threads() == 1);
  }).join();
}
