// Memory for problems of kernels: arrays that notice a stray access, and integers that also reach their extremes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <new>
#include <random>
#include <sys/mman.h>
#include <type_traits>
#include <unistd.h>
#include <utility>

namespace octavo::problems {

/// Integers whose sequence for a seed is the same on every machine, which the distributions of <random> do not promise.
class Random {
 public:
  explicit Random(unsigned seed) : bits_(seed) {}

  /// Uniform within [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(bits_() % static_cast<std::uint64_t>(high - low + 1));
  }
  int integer(int low, int high) { return static_cast<int>(between(low, high)); }
  bool one_in(int count) { return integer(1, count) == 1; }

  template <class T>
  T one_of(std::initializer_list<T> choices) {
    return choices.begin()[between(0, static_cast<std::int64_t>(choices.size()) - 1)];
  }

  using result_type = std::uint64_t;  // as the distributions of <random> want it
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return std::numeric_limits<result_type>::max(); }
  result_type operator()() { return bits_(); }

 private:
  std::mt19937_64 bits_;
};

/// How an array is filled; `any` is mostly uniform numbers, else one of the others.
enum class Fill { any, uniform, zero, lowest, highest, extremes, constant };

/// Integers within [low, high]: uniform, all 0, all low, all high, low and high at random, or all the same.
template <class Values>
void fill(Values& values, Fill how, std::int64_t low, std::int64_t high, Random& random) {
  if (how == Fill::any) {
    constexpr auto kUniform = Fill::uniform;
    how = random.one_of(
        {kUniform, kUniform, kUniform, kUniform, Fill::lowest, Fill::highest, Fill::extremes, Fill::constant});
  }
  const std::int64_t common = how == Fill::constant  ? random.between(low, high)
                              : how == Fill::lowest  ? low
                              : how == Fill::highest ? high
                                                     : 0;
  for (auto& value : values) {
    std::int64_t chosen = common;
    if (how == Fill::uniform) chosen = random.between(low, high);
    if (how == Fill::extremes) chosen = random.one_in(2) ? low : high;
    value = static_cast<std::remove_reference_t<decltype(value)>>(chosen);
  }
}

class GuardedArray {
 public:
  virtual ~GuardedArray() = default;
  /// Whether no canary before or behind the array has changed.
  virtual bool intact() const = 0;
};

/// An array between two pages that may not be touched. It ends at the second page as closely as its alignment lets it;
/// what is left between is filled with canaries, and so is everything before it.
template <class T>
class Guarded : public GuardedArray {
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
  ~Guarded() override {
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

  bool intact() const override {
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

}  // namespace octavo::problems
