// Reads /proc/self/maps with nothing but open(), read() and close(): lines "begin-end permissions offset device inode
// path".
#include "cli/mapped_files.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <unistd.h>

namespace octavo::tools {
namespace {

/// The characters of a file, one by one.
class Characters {
 public:
  explicit Characters(const char* file) : fd_(::open(file, O_RDONLY | O_CLOEXEC)) {}
  ~Characters() {
    if (fd_ >= 0) ::close(fd_);
  }
  Characters(const Characters&) = delete;
  Characters& operator=(const Characters&) = delete;

  /// False at the end.
  bool next(char& c) {
    if (at_ == count_ && !fill()) return false;
    c = buffer_[at_++];
    return true;
  }

 private:
  bool fill() {
    ::ssize_t count = -1;
    while (fd_ >= 0 && (count = ::read(fd_, buffer_, sizeof(buffer_))) < 0 && errno == EINTR) {
    }
    count_ = count > 0 ? static_cast<std::size_t>(count) : 0;
    at_ = 0;
    return count_ > 0;
  }

  const int fd_;
  char buffer_[1024];
  std::size_t at_ = 0, count_ = 0;
};

/// A hexadecimal number, and the character after it.
bool read_number(Characters& in, std::uintptr_t& number, char& after) {
  number = 0;
  while (in.next(after)) {
    const bool digit = after >= '0' && after <= '9', letter = after >= 'a' && after <= 'f';
    if (!digit && !letter) return true;
    number = number << 4 | static_cast<std::uintptr_t>(digit ? after - '0' : after - 'a' + 10);
  }
  return false;
}

}  // namespace

bool find_mapped_file(const void* address, char* path, std::size_t size) {
  Characters in("/proc/self/maps");
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::uintptr_t begin = 0, end = 0;
  char c = 0;
  while (read_number(in, begin, c) && read_number(in, end, c)) {
    const bool here = wanted >= begin && wanted < end;
    std::size_t length = 0;
    while (c != '\n' && in.next(c)) {  // nothing before the path has a slash
      if (c == '\n' || !here || (length == 0 && c != '/')) continue;
      if (length + 1 < size) path[length++] = c;
    }
    path[length] = '\0';
    if (here) return length > 0;
  }
  return false;
}

}  // namespace octavo::tools
