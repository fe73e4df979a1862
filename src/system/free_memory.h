// How much memory this process may still take.
#pragma once

#include "octavo/memory.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace octavo {

/// free_memory() by proc/meminfo, proc/self/cgroup and sys/fs/cgroup (version 1 or 2) below `root`; what is missing or
/// malformed counts as no limit.
std::int64_t free_memory(const std::filesystem::path& root);

/// A budget of bytes; of nothing, half of the memory that is free. Throws Error when it is below 0.
std::size_t memory_budget(const std::optional<std::int64_t>& bytes);

}  // namespace octavo
