// What self-test inputs are made of: integers that also reach their extremes, arrays as kernels want them, and outputs
// reduced to the bytes that a contract specifies.
#pragma once

#include "kernels/kernels.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <new>
#include <random>
#include <vector>

namespace octavo::self_test_cases {

/// Starts every allocation at a multiple of 64 bytes.
template <class T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) {}  // NOLINT(google-explicit-constructor): allocators convert
  T* allocate(std::size_t count) { return static_cast<T*>(::operator new(count * sizeof(T), kAlignment)); }
  void deallocate(T* memory, std::size_t) { ::operator delete(memory, kAlignment); }
  bool operator==(const CacheLineAllocator&) const { return true; }

 private:
  static constexpr std::align_val_t kAlignment{64};
};

template <class T>
using Values = std::vector<T, CacheLineAllocator<T>>;
using Bytes = std::vector<std::uint8_t>;

/// The same sequence for a seed on every machine, which the distributions of <random> do not promise.
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

  /// Numbers within [low, high]: mostly uniform, else all lowest, all highest, either at random, or all the same.
  template <class T>
  Values<T> values(std::size_t count, std::int64_t low, std::int64_t high) {
    const int kind = integer(0, 7);
    const std::int64_t common = between(low, high);
    Values<T> result(count);
    for (T& value : result) {
      std::int64_t chosen = between(low, high);
      if (kind == 0) chosen = low;
      if (kind == 1) chosen = high;
      if (kind == 2) chosen = one_in(2) ? low : high;
      if (kind == 3) chosen = common;
      value = static_cast<T>(chosen);
    }
    return result;
  }

 private:
  std::mt19937_64 bits_;
};

constexpr int round_up_to(int step, int value) { return (value + step - 1) / step * step; }

/// A row-major output and what lies between its rows, `stride` elements apart.
template <class T>
struct RowOutput {
  int stride;
  Values<T> data;

  Bytes first(int rows) const {
    const std::size_t count = static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride);
    Bytes bytes(count * sizeof(T));
    std::memcpy(bytes.data(), data.data(), bytes.size());
    return bytes;
  }
};

/// A byte matrix in either order. Its rows hold more columns than are written: up to a whole chunk in tile order, some
/// more in row-major order.
class ByteOutput {
 public:
  ByteOutput(int rows, int columns, Random& random)
      : tiles_(random.one_in(2)),
        stride_(tiles_ ? round_up_to(kernels::kTileDepth, columns) : columns + random.one_of({0, 5, 32})),
        data_(random.values<std::uint8_t>(size(round_up_to(kernels::kTileRows, rows)), 0, 255)) {}

  kernels::ByteMatrix matrix() {
    const std::ptrdiff_t tile = std::ptrdiff_t{kernels::kTileRows} * stride_;
    if (tiles_) return {data_.data(), tile, kernels::kTileDepth, kernels::kTileRows * kernels::kTileDepth};
    return {data_.data(), tile, stride_, kernels::kTileDepth};
  }

  /// All that rows 0 .. rows - 1 hold; whole tiles of rows lie one after the other in both orders.
  Bytes first(int rows) const {
    const int tile_rows = rows / kernels::kTileRows * kernels::kTileRows, rest = rows - tile_rows;
    Bytes bytes(data_.begin(), data_.begin() + size(tile_rows));
    const std::uint8_t* next = data_.data() + size(tile_rows);
    if (!tiles_) bytes.insert(bytes.end(), next, next + size(rest));
    for (int column = 0; tiles_ && column < stride_; column += kernels::kTileDepth) {
      bytes.insert(bytes.end(), next, next + rest * kernels::kTileDepth);
      next += kernels::kTileRows * kernels::kTileDepth;
    }
    return bytes;
  }

  Bytes all() const { return {data_.begin(), data_.end()}; }

 private:
  std::ptrdiff_t size(int rows) const { return std::ptrdiff_t{rows} * stride_; }
  bool tiles_;
  int stride_;
  Values<std::uint8_t> data_;
};

}  // namespace octavo::self_test_cases
