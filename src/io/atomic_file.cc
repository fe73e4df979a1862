// The steps from a temporary file to the final name, and how each can fail.
#include "io/atomic_file.h"

#include "octavo/error.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace octavo {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what, int error) {
  throw Error(file.string() + ": cannot " + what + ": " + std::strerror(error) + ".");
}

/// A new file beside `file`; removed again unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& file) : file_(file) {
    static std::atomic<unsigned> counter = 0;
    // A long name is cut, so that the longer temporary one is still a valid name.
    const std::string base = file.filename().string().substr(0, 200) + ".tmp-" + std::to_string(::getpid()) + "-";
    do {  // a process that died may have left a file of this name
      path_ = file.parent_path() / (base + std::to_string(counter++));
      fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    } while (fd_ < 0 && errno == EEXIST);
    if (fd_ < 0) fail(file, "create a temporary file in its directory", errno);
  }

  ~TemporaryFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!renamed_) ::unlink(path_.c_str());
  }

  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), std::min(bytes.size(), kLargestWrite));
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail(file_, "write the file", errno);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
  }

  void finish() {
    if (::fsync(fd_) != 0) fail(file_, "sync the file to its disk", errno);
    const int closed = ::close(fd_);
    fd_ = -1;
    if (closed != 0) fail(file_, "close the file", errno);
    if (::rename(path_.c_str(), file_.c_str()) != 0) fail(file_, "rename the temporary file to its name", errno);
    renamed_ = true;
  }

 private:
  static constexpr std::size_t kLargestWrite = std::size_t{1} << 30;

  const std::filesystem::path& file_;
  std::filesystem::path path_;
  int fd_ = -1;
  bool renamed_ = false;
};

/// Renaming onto a device or a pipe would replace it, which nobody means.
void require_replaceable(const std::filesystem::path& file) {
  if (!file.has_filename()) throw Error(file.string() + ": is not the name of a file.");
  struct stat status = {};
  if (::stat(file.c_str(), &status) != 0) return;  // absent, or the next step says what is wrong
  if (S_ISDIR(status.st_mode)) throw Error(file.string() + ": is a directory, expected a file.");
  if (!S_ISREG(status.st_mode)) throw Error(file.string() + ": is not a regular file, so it cannot be replaced.");
}

/// Makes the rename itself durable. Best effort: the file is complete, and some file systems cannot sync a directory.
void sync_directory(const std::filesystem::path& directory) {
  const int fd = ::open(directory.empty() ? "." : directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

void write_file_atomically(const std::filesystem::path& file, std::span<const std::string_view> chunks) {
  require_replaceable(file);
  TemporaryFile temporary(file);
  for (const std::string_view chunk : chunks) temporary.write(chunk);
  temporary.finish();
  sync_directory(file.parent_path());
}

}  // namespace octavo
