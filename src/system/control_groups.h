// Where the kernel shows what this process's control groups let it use.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace octavo {

/// A directory that may hold a group's limits, in the files of version 1 or 2.
struct ControlGroup {
  std::filesystem::path directory;
  int version;
};

/// The groups of this process that limit what `controller` ("cpu", "memory") counts, and the groups around them: the
/// smallest limit holds. Reads proc/self/cgroup and lists what would lie in sys/fs/cgroup below `root`; a directory
/// need not exist, as that of a container whose group is mounted as the root.
std::vector<ControlGroup> control_groups(std::string_view controller, const std::filesystem::path& root);

}  // namespace octavo
