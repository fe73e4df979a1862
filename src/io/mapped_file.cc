// How a file is mapped, and what is wrong when it cannot be.
#include "io/mapped_file.h"

#include "system/free_memory.h"

#include "octavo/error.h"

#include <cerrno>
#include <cstdint>
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

constexpr std::size_t kHugePage = std::size_t{2} << 20, kLargeFile = std::size_t{64} << 20;

bool is_unchanged(const struct stat& before, const struct stat& after) {
  return before.st_size == after.st_size && before.st_mtim.tv_sec == after.st_mtim.tv_sec &&
         before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
}

void read_whole(const std::filesystem::path& file, int fd, char* to, std::size_t size) {
  for (std::size_t done = 0; done < size;) {
    const ::ssize_t count = ::read(fd, to + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(file, "cannot read the file", errno);
    if (count == 0) throw Error(file.string() + ": became shorter while it was read.");
    done += static_cast<std::size_t>(count);
  }
}

struct stat examine(const std::filesystem::path& file, int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) fail(file, "cannot examine the file", errno);
  return status;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& file, FileBytes where) {
  // O_NONBLOCK: opening a pipe returns at once and is then refused, instead of waiting for its writer.
  const Descriptor descriptor{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (descriptor.fd < 0) fail(file, "cannot open the file", errno);
  const struct stat status = examine(file, descriptor.fd);
  if (S_ISDIR(status.st_mode)) throw Error(file.string() + ": is a directory, expected a file.");
  if (!S_ISREG(status.st_mode)) throw Error(file.string() + ": is not a regular file.");
  if (status.st_size == 0) return;  // mmap refuses length 0
  const auto size = static_cast<std::size_t>(status.st_size);
  const bool copy = where == FileBytes::copied && (size < kLargeFile || size <= memory_budget({}));
  const std::size_t alignment = copy && size >= kHugePage ? kHugePage : 1, whole = size + alignment - 1;
  void* memory = copy ? ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                      : ::mmap(nullptr, whole, PROT_READ, MAP_PRIVATE, descriptor.fd, 0);
  if (memory == MAP_FAILED) fail(file, "cannot map the file", errno);
  memory_ = {static_cast<const char*>(memory), whole};
  bytes_ = memory_;
  if (!copy) return;
  char* aligned =
      static_cast<char*>(memory) + (alignment - reinterpret_cast<std::uintptr_t>(memory) % alignment) % alignment;
  if (alignment > 1) ::madvise(aligned, size, MADV_HUGEPAGE);  // advice only: where it is refused, small pages do
  try {
    read_whole(file, descriptor.fd, aligned, size);
    if (!is_unchanged(status, examine(file, descriptor.fd)))
      throw Error(file.string() + ": was changed while it was read.");
  } catch (...) {
    ::munmap(memory, whole);
    throw;
  }
  bytes_ = {aligned, size};
}

MappedFile::~MappedFile() {
  if (!memory_.empty()) ::munmap(const_cast<char*>(memory_.data()), memory_.size());
}

}  // namespace octavo
