// Reads CPU quotas where the kernel shows them, and combines them with the CPU affinity.
#include "system/cpu_limit.h"

#include "system/control_groups.h"

#include "octavo/system.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace octavo {
namespace {

namespace fs = std::filesystem;

using Limit = std::optional<int>;

/// "max 100000" or "150000 100000" of cgroup version 2; version 1 has the same two numbers in two files, -1 for none.
Limit whole_cpus(const std::string& quota, const std::string& period) {
  try {
    const double cpus = std::ceil(std::stod(quota) / std::stod(period));
    if (!(cpus >= 1 && cpus <= 1e6)) return {};
    return static_cast<int>(cpus);
  } catch (const std::exception&) {  // not numbers
    return {};
  }
}

std::string first_word(const fs::path& file) {
  std::ifstream in(file);
  std::string word;
  in >> word;
  return word;
}

Limit quota_v2(const fs::path& group) {
  std::ifstream in(group / "cpu.max");
  std::string quota, period;
  in >> quota >> period;
  return quota == "max" ? Limit() : whole_cpus(quota, period);
}

Limit quota_v1(const fs::path& group) {
  return whole_cpus(first_word(group / "cpu.cfs_quota_us"), first_word(group / "cpu.cfs_period_us"));
}

Limit smaller(Limit a, Limit b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// CPUs in this thread's affinity mask, which may be wider than the 1024 of a cpu_set_t.
int affinity_cpus() {
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 2) {
    std::vector<cpu_set_t> mask(static_cast<std::size_t>(cpus) / CPU_SETSIZE);
    const std::size_t bytes = mask.size() * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, mask.data()) == 0) return CPU_COUNT_S(bytes, mask.data());
  }
  return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

Limit cgroup_cpu_limit(const fs::path& root) {
  Limit limit;
  for (const ControlGroup& group : control_groups("cpu", root)) {
    limit = smaller(limit, group.version == 2 ? quota_v2(group.directory) : quota_v1(group.directory));
  }
  return limit;
}

int default_threads() { return std::max(1, smaller(affinity_cpus(), cgroup_cpu_limit()).value_or(1)); }

}  // namespace octavo
