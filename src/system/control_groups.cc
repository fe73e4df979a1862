#include "system/control_groups.h"

#include <fstream>
#include <string>

namespace octavo {
namespace {

namespace fs = std::filesystem;

/// From `path` up to the mounted root. In a container, `path` may be the host's name of a group that is mounted as the
/// root here: then the inner directories do not exist, and only the root speaks.
void add_way_up(std::vector<ControlGroup>& groups, const fs::path& mount, const std::string& path, int version) {
  groups.push_back({mount, version});
  for (fs::path group = fs::path(path).lexically_normal().relative_path(); !group.empty();
       group = group.parent_path()) {
    groups.push_back({mount / group, version});
  }
}

}  // namespace

/// Each line is "0::/path" for version 2, "3:cpu,cpuacct:/path" for version 1.
std::vector<ControlGroup> control_groups(std::string_view controller, const fs::path& root) {
  std::vector<ControlGroup> groups;
  const fs::path mounts = root / "sys/fs/cgroup";
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) {  // beside version 1, version 2 is mounted at "unified"
      add_way_up(groups, mounts, path, 2);
      add_way_up(groups, mounts / "unified", path, 2);
    } else if (("," + controllers + ",").find("," + std::string(controller) + ",") != std::string::npos) {
      add_way_up(groups, mounts / controller, path, 1);
      if (controllers != controller) add_way_up(groups, mounts / controllers, path, 1);
    }
  }
  return groups;
}

}  // namespace octavo
