// What kernel tests share: buffers that notice a stray access, fills that reach the extremes, the tables of this CPU.
#pragma once

#include "kernels/kernels.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <sys/mman.h>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace octavo::test {

/// An array between two pages that may not be touched. It ends at the second page as closely as its alignment lets it;
/// what is left between is filled with canaries, and so is everything before it.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t count, std::size_t alignment = 64) : count_(count) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), bytes = count * sizeof(T);
    const std::size_t inner = (bytes + alignment + page - 1) / page * page;
    mapped_ = inner + 2 * page;
    void* map = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    map_ = static_cast<unsigned char*>(map);
    first_ = map_ + page;
    last_ = first_ + inner;
    if (mprotect(first_, inner, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    std::memset(first_, kCanary, inner);
    data_ = reinterpret_cast<T*>(first_ + (inner - bytes) / alignment * alignment);
  }
  Guarded(Guarded&& other) noexcept
      : map_(std::exchange(other.map_, nullptr)),
        first_(other.first_),
        last_(other.last_),
        mapped_(other.mapped_),
        data_(other.data_),
        count_(other.count_) {}
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  Guarded& operator=(Guarded&&) = delete;
  ~Guarded() {
    if (map_ != nullptr) munmap(map_, mapped_);
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return count_; }
  T* begin() { return data_; }
  T* end() { return data_ + count_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }

  /// No canary before or behind the array has changed.
  bool intact() const {
    const auto clean = [](unsigned char byte) { return byte == kCanary; };
    const auto* begin = reinterpret_cast<const unsigned char*>(data_);
    return std::all_of(first_, const_cast<unsigned char*>(begin), clean) &&
           std::all_of(begin + count_ * sizeof(T), static_cast<const unsigned char*>(last_), clean);
  }

 private:
  static constexpr unsigned char kCanary = 0xA5;
  unsigned char* map_;
  unsigned char* first_;
  unsigned char* last_;
  std::size_t mapped_;
  T* data_;
  std::size_t count_;
};

enum class Fill { random, zero, lowest, highest, extremes };

/// Integers within [low, high]: uniform, all 0, all low, all high, or low and high at random.
template <class Values>
void fill(Values& values, Fill how, std::int64_t low, std::int64_t high, std::mt19937_64& random) {
  std::uniform_int_distribution<std::int64_t> uniform(low, high);
  for (auto& value : values) {
    std::int64_t chosen = 0;
    if (how == Fill::random) chosen = uniform(random);
    if (how == Fill::lowest) chosen = low;
    if (how == Fill::highest) chosen = high;
    if (how == Fill::extremes) chosen = random() % 2 == 0 ? low : high;
    value = static_cast<std::remove_reference_t<decltype(value)>>(chosen);
  }
}

struct NamedTable {
  const char* isa;
  kernels::KernelTable table;
};

/// The kernels of every instruction set this CPU has, scalar first.
inline std::vector<NamedTable> available_tables() {
  std::vector<NamedTable> tables;
  for (int i = 0; i < kernels::kIsaCount; ++i) {
    const kernels::IsaStatus& status = kernels::isa_status()[i];
    if (status.available) tables.push_back({status.name, kernels::table_for(status.isa)});
  }
  return tables;
}

}  // namespace octavo::test
