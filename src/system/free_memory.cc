#include "system/free_memory.h"

#include "system/control_groups.h"

#include "octavo/error.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <map>
#include <string>

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// The number that a file starts with; nothing for a missing file, "max" and other words.
std::optional<std::int64_t> first_number(const fs::path& file) {
  std::ifstream in(file);
  std::int64_t number = 0;
  if (!(in >> number)) return {};
  return number;
}

/// Lines "name 123" or "name: 123 kB", the rest of a line being ignored.
std::map<std::string, std::int64_t> numbers(const fs::path& file) {
  std::map<std::string, std::int64_t> result;
  std::ifstream lines(file);
  std::string name, rest;
  for (std::int64_t number = 0; lines >> name >> number; std::getline(lines, rest)) result[name] = number;
  return result;
}

std::int64_t room(std::optional<std::int64_t> limit, std::optional<std::int64_t> used, std::int64_t of_files) {
  if (!limit || !used || *limit < 0) return kUnlimited;
  return std::max(std::int64_t{0}, *limit - std::max(std::int64_t{0}, *used - of_files));
}

std::int64_t room_of(const ControlGroup& group) {
  std::map<std::string, std::int64_t> counts = numbers(group.directory / "memory.stat");
  if (group.version == 2) {
    return room(first_number(group.directory / "memory.max"), first_number(group.directory / "memory.current"),
                counts["inactive_file"] + counts["active_file"]);
  }
  return room(first_number(group.directory / "memory.limit_in_bytes"),
              first_number(group.directory / "memory.usage_in_bytes"),
              counts["total_inactive_file"] + counts["total_active_file"]);
}

}  // namespace

std::int64_t free_memory(const fs::path& root) {
  constexpr std::int64_t kLargestKilobytes = kUnlimited / 1024;
  const auto counts = numbers(root / "proc/meminfo");
  const auto found = counts.find("MemAvailable:");
  const bool known = found != counts.end() && found->second >= 0 && found->second <= kLargestKilobytes;
  std::int64_t least = known ? found->second * 1024 : kUnlimited;
  for (const ControlGroup& group : control_groups("memory", root)) least = std::min(least, room_of(group));
  return least;
}

std::int64_t free_memory() { return free_memory("/"); }

std::size_t memory_budget(const std::optional<std::int64_t>& bytes) {
  const std::int64_t budget = bytes.value_or(free_memory() / 2);
  if (budget < 0) throw Error("a budget of memory is " + std::to_string(budget) + " bytes, expected at least 0");
  return static_cast<std::size_t>(budget);
}

}  // namespace octavo
