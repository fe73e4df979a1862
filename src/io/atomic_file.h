// A file that is written whole or not at all.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace octavo {

/// Writes `chunks` one after the other under a temporary name in the same directory, syncs, and renames. An existing
/// file is replaced; who has it open or mapped keeps the old bytes. Throws Error naming the file on any failure, and
/// leaves no temporary file and the old file untouched. A process that is killed meanwhile leaves NAME.tmp-PID-NUMBER.
void write_file_atomically(const std::filesystem::path& file, std::span<const std::string_view> chunks);

}  // namespace octavo
