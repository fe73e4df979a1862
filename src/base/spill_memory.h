// Memory for what need not fit: beyond a budget it lies in files without a name.
#pragma once

#include "octavo/tensor.h"

#include <cstddef>
#include <filesystem>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <set>

namespace octavo {

/// Pieces of 1 MiB and more count against the budget. One that no longer fits is mapped from a file that was already
/// removed: the system writes and reads it as it runs short of memory. Safe to use from several threads.
class SpillMemory : public std::pmr::memory_resource {
 public:
  /// An empty directory is that of temporary files.
  explicit SpillMemory(std::size_t budget, const std::filesystem::path& directory = {});

  /// Bytes in files.
  std::size_t spilled() const;

 private:
  /// Throws Error naming the directory when it has no room for a file.
  void* do_allocate(std::size_t bytes, std::size_t alignment) override;
  void do_deallocate(void* memory, std::size_t bytes, std::size_t alignment) override;
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  const std::filesystem::path directory_;
  const std::size_t budget_;
  mutable std::mutex mutex_;
  std::set<const void*> files_;  // what is mapped
  std::size_t held_ = 0, spilled_ = 0;
};

/// The same tensor with its bytes in `memory`.
Tensor moved_to(const std::shared_ptr<SpillMemory>& memory, const Tensor& tensor);

}  // namespace octavo
