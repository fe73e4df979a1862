// How much memory work on a large model may take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace octavo {

/// A budget, and where what is beyond it lies. Results do not depend on it.
struct MemoryOptions {
  /// Bytes, at least 0; nothing: half of the memory that is free when the work begins.
  std::optional<std::int64_t> bytes = {};
  /// For files that have no name and are gone with the process; empty: that of temporary files.
  std::filesystem::path directory = {};
};

/// Counts the bytes that this process may still take: what is free or holds nothing but copies of files, of the machine
/// or of the control group with the least room.
std::int64_t free_memory();

}  // namespace octavo
