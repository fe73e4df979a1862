// How a file is mapped, and what is wrong when it cannot be.
#include "mapped_file.h"

#include "octavo/error.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace octavo {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what, int error) {
  throw Error(file.string() + ": " + what + ": " + std::strerror(error) + ".");
}

/// Closes the descriptor on every way out; the mapping outlives it.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& file) {
  // O_NONBLOCK: opening a pipe returns at once and is then refused, instead of waiting for its writer.
  const Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.fd < 0) fail(file, "cannot open the file", errno);
  struct stat status = {};
  if (::fstat(descriptor.fd, &status) != 0) fail(file, "cannot examine the file", errno);
  if (S_ISDIR(status.st_mode)) throw Error(file.string() + ": is a directory, expected a file.");
  if (!S_ISREG(status.st_mode)) throw Error(file.string() + ": is not a regular file.");
  if (status.st_size == 0) return;  // mmap refuses length 0
  const auto size = static_cast<std::size_t>(status.st_size);
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.fd, 0);
  if (memory == MAP_FAILED) fail(file, "cannot map the file", errno);
  bytes_ = {static_cast<const char*>(memory), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
}

}  // namespace octavo
