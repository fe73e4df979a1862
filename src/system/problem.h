// One call of one kernel, with its arrays in memory of its own: what the kernel tests, the self-test and the kernel
// benchmark are made of. gemm_problem.h, attention_problem.h and rowwise_problem.h make them, family by family.
#pragma once

#include "kernels/kernels.h"
#include "system/problem_memory.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace octavo::problems {

using Bytes = std::vector<std::uint8_t>;

constexpr int round_up(int value, int step) { return (value + step - 1) / step * step; }
constexpr std::size_t elements(int rows, std::ptrdiff_t stride) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride);
}

class Problem {
 public:
  /// Calls the table's kernel. Outputs hold what they held before.
  std::function<void(const kernels::KernelTable&)> call;

  /// Calls it on outputs as they were at first. Returns the bytes of theirs that the contract specifies, and those
  /// around them, which no kernel may change.
  Bytes run(const kernels::KernelTable& table);

  /// Whether nothing was written outside the arrays.
  bool intact() const;

  /// An array of the problem's own, filled with numbers within [low, high].
  template <class T>
  Guarded<T>& array(std::size_t count, std::size_t alignment = sizeof(T)) {
    auto made = std::make_unique<Guarded<T>>(count, alignment);
    Guarded<T>& result = *made;
    arrays_.push_back(std::move(made));
    return result;
  }
  template <class T>
  Guarded<T>& filled(std::size_t count, std::int64_t low, std::int64_t high, Random& random, Fill how = Fill::any) {
    Guarded<T>& result = array<T>(count);
    fill(result, how, low, high, random);
    return result;
  }

  /// Makes an array an output: run() begins with what it holds now, and returns its first `specified` elements.
  template <class T>
  void output(Guarded<T>& array, std::size_t specified) {
    auto* data = reinterpret_cast<std::uint8_t*>(array.data());
    outputs_.push_back({data, {data, data + array.size() * sizeof(T)}, {{0, specified * sizeof(T)}}});
  }
  /// A row-major output of random numbers, of which the first `specified` rows are returned.
  template <class T>
  T* row_output(int rows, std::ptrdiff_t stride, int specified, std::int64_t low, std::int64_t high, Random& random) {
    Guarded<T>& made = filled<T>(elements(rows, stride), low, high, random);
    output(made, elements(specified, stride));
    return made.data();
  }
  /// A byte matrix as output: in tile order of whole tiles, or row-major, where rows hold more columns than these.
  enum class Order { any, tiles, rows };
  kernels::ByteMatrix byte_output(int rows, int columns, Random& random, Order order = Order::any);

 private:
  struct Range {
    std::size_t begin, size;
  };
  struct Output {
    std::uint8_t* data;
    Bytes initial;
    std::vector<Range> specified;
  };
  std::vector<std::unique_ptr<GuardedArray>> arrays_;
  std::vector<Output> outputs_;
};

/// A kernel, how many cases of it the self-test looks at, and what makes one: random inputs within its contract,
/// extremes included.
struct Kernel {
  const char* name;
  int cases;
  Problem (*make)(Random&);
};

std::span<const Kernel> gemm_kernels();
std::span<const Kernel> attention_kernels();
std::span<const Kernel> rowwise_kernels();
std::span<const Kernel> small_row_kernels();  ///< of kernels/rows.h
std::span<const Kernel> pooling_kernels();    ///< of kernels/pooling.h

}  // namespace octavo::problems
