// Reads CPU quotas where the kernel shows them, and combines them with the CPU affinity.
#include "cpu_limit.h"

#include "octavo/engine.h"

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

/// The smallest quota from `path` up to the mounted root. In a container, `path` may be the host's name of a group that
/// is mounted as the root here: then the inner directories do not exist, and only the root speaks.
Limit smallest_on_the_way_up(const fs::path& mount, const std::string& path, Limit (*quota)(const fs::path&)) {
  fs::path group = fs::path(path).lexically_normal().relative_path();
  Limit limit = quota(mount);
  for (; !group.empty(); group = group.parent_path()) limit = smaller(limit, quota(mount / group));
  return limit;
}

/// One line of proc/self/cgroup: "0::/path" for version 2, "3:cpu,cpuacct:/path" for version 1.
Limit limit_of_line(const fs::path& root, const std::string& line) {
  const std::size_t first = line.find(':');
  const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
  if (second == line.npos) return {};
  const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
  const std::string path = line.substr(second + 1);
  const fs::path mounts = root / "sys/fs/cgroup";
  if (controllers == ",,")  // beside version 1, version 2 is mounted at "unified"
    return smaller(smallest_on_the_way_up(mounts, path, quota_v2),
                   smallest_on_the_way_up(mounts / "unified", path, quota_v2));
  if (controllers.find(",cpu,") == controllers.npos) return {};
  return smaller(smallest_on_the_way_up(mounts / "cpu", path, quota_v1),
                 smallest_on_the_way_up(mounts / "cpu,cpuacct", path, quota_v1));
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
  std::ifstream lines(root / "proc/self/cgroup");
  Limit limit;
  for (std::string line; std::getline(lines, line);) limit = smaller(limit, limit_of_line(root, line));
  return limit;
}

int default_threads() { return std::max(1, smaller(affinity_cpus(), cgroup_cpu_limit()).value_or(1)); }

}  // namespace octavo
