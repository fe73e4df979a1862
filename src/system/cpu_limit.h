// How many CPUs a process's control groups let it use.
#pragma once

#include <filesystem>
#include <optional>

namespace octavo {

/// The smallest CPU quota of this process's cgroup and the groups around it (version 1 and 2), rounded up to whole
/// CPUs; nothing when there is no quota. Reads proc/self/cgroup and sys/fs/cgroup below `root`; what is missing or
/// malformed counts as no quota.
std::optional<int> cgroup_cpu_limit(const std::filesystem::path& root = "/");

}  // namespace octavo
