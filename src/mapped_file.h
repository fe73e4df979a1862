// A file's bytes in memory, mapped read-only.
#pragma once

#include <filesystem>
#include <string_view>

namespace octavo {

/// Maps a regular file for reading for as long as the object lives. The file must not shrink meanwhile.
class MappedFile {
 public:
  /// Throws Error naming the file when it is missing, unreadable or not a regular file.
  explicit MappedFile(const std::filesystem::path& file);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// Starts at a page boundary; empty for an empty file.
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
};

}  // namespace octavo
