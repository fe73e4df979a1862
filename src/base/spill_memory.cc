#include "base/spill_memory.h"

#include "octavo/error.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

namespace octavo {
namespace {

constexpr std::size_t kLarge = std::size_t{1} << 20;
constexpr std::align_val_t kAlignment{64};

[[noreturn]] void fail(const std::filesystem::path& directory, std::size_t bytes, int error) {
  throw Error(directory.string() + ": cannot hold a temporary file of " + std::to_string(bytes) +
              " bytes: " + std::strerror(error) + ".");
}

/// All of the file's space is taken at once: a disk that fills up later could only be told by a signal.
void* map_file(const std::filesystem::path& directory, std::size_t bytes) {
  std::string name = (directory / "octavo-XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) fail(directory, bytes, errno);
  ::unlink(name.c_str());
  int error = EINTR;
  while (error == EINTR) error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  void* memory = MAP_FAILED;
  if (error == 0) {
    memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    error = errno;
  }
  ::close(fd);
  if (memory == MAP_FAILED) fail(directory, bytes, error);
  return memory;
}

}  // namespace

SpillMemory::SpillMemory(std::size_t budget, const std::filesystem::path& directory)
    : directory_(directory.empty() ? std::filesystem::temp_directory_path() : directory), budget_(budget) {}

std::size_t SpillMemory::spilled() const {
  const std::lock_guard lock(mutex_);
  return spilled_;
}

void* SpillMemory::do_allocate(std::size_t bytes, std::size_t) {
  if (bytes < kLarge) return ::operator new(bytes, kAlignment);
  const std::lock_guard lock(mutex_);
  if (bytes <= budget_ - held_) {
    void* memory = ::operator new(bytes, kAlignment);
    held_ += bytes;
    return memory;
  }
  void* memory = map_file(directory_, bytes);
  files_.insert(memory);
  spilled_ += bytes;
  return memory;
}

void SpillMemory::do_deallocate(void* memory, std::size_t bytes, std::size_t) {
  if (bytes < kLarge) return ::operator delete(memory, kAlignment);
  const std::lock_guard lock(mutex_);
  if (files_.erase(memory) == 0) {
    ::operator delete(memory, kAlignment);
    held_ -= bytes;
    return;
  }
  ::munmap(memory, bytes);
  spilled_ -= bytes;
}

Tensor moved_to(const std::shared_ptr<SpillMemory>& memory, const Tensor& tensor) {
  const std::size_t bytes = tensor.bytes();
  std::shared_ptr<void> owner(memory->allocate(bytes, 64),
                              [memory, bytes](void* piece) { memory->deallocate(piece, bytes, 64); });
  if (bytes > 0) std::memcpy(owner.get(), tensor.data(), bytes);
  const void* data = owner.get();
  return Tensor(tensor.dtype(), tensor.shape(), std::move(owner), data);
}

}  // namespace octavo
