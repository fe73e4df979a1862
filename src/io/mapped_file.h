// A file's bytes in memory, mapped read-only or read.
#pragma once

#include <filesystem>
#include <string_view>

namespace octavo {

/// Where the bytes of a file lie.
enum class FileBytes {
  mapped,  ///< where the system caches files: nothing is copied, processes share it, and a file may be larger than
           ///< memory; it must stay as it is, since what is read of a file that was cut ends the process (SIGBUS)
  copied,  ///< in memory of this process, whatever becomes of the file, and in huge pages where the system has them: it
           ///< is then read faster, by an eighth on Zen 4. Mapped after all where a file of 64 MiB or more would take
           ///< over half of the free memory
};

/// The bytes of a regular file for as long as the object lives.
class MappedFile {
 public:
  /// Throws Error naming the file when it is missing, unreadable, not a regular file, or changes while it is read.
  explicit MappedFile(const std::filesystem::path& file, FileBytes where = FileBytes::mapped);
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
