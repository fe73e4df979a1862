// A file's bytes in memory, mapped read-only or read into huge pages.
#pragma once

#include <filesystem>
#include <string_view>

namespace octavo {

/// Where the bytes of large files lie, those of 64 MiB and more.
enum class LargeFiles {
  mapped,      ///< where the system caches files: nothing is copied, and processes share it
  huge_pages,  ///< in memory of this process, in huge pages where the system has them: it is then read faster, by an
               ///< eighth on Zen 4; mapped where more than half of the free memory would go
};

/// Maps a regular file for reading for as long as the object lives. The file must not shrink meanwhile.
class MappedFile {
 public:
  /// Throws Error naming the file when it is missing, unreadable or not a regular file.
  explicit MappedFile(const std::filesystem::path& file, LargeFiles large = LargeFiles::mapped);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  /// Starts at a page boundary; empty for an empty file.
  std::string_view bytes() const { return bytes_; }

 private:
  std::string_view bytes_;
  std::string_view memory_;  ///< what is to be given back: bytes_ and what they are aligned by
};

}  // namespace octavo
