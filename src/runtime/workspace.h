// Threads and buffers of one caller.
#pragma once

#include "base/access.h"
#include "base/thread_pool.h"
#include "graph/buffer_plan.h"

#include "octavo/workspace.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace octavo {

/// Zero-initialised, 64-byte aligned memory that only grows.
class Buffer {
 public:
  /// At least `bytes` long; contents are kept only when it need not grow.
  void* reserve(std::size_t bytes);
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free {
    void operator()(void* p) const;
  };
  std::unique_ptr<void, Free> data_;
  std::size_t bytes_ = 0;
};

struct Workspace::Data {
  explicit Data(int threads, bool with_profile = false) : pool(threads), profile(with_profile) {}
  ThreadPool pool;
  const bool profile;
  std::vector<OpTime> times = {};                      ///< of each node of the graph, when there is a profile
  std::map<std::string, Buffer, std::less<>> buffers;  ///< by name of what they hold
  std::vector<Buffer> slots;                           ///< of the values of a graph, as a BufferPlan has them

  template <typename T>
  T* get(const std::string& name, std::size_t elements) {
    return static_cast<T*>(buffers[name].reserve(elements * sizeof(T)));
  }

  /// The buffers of a plan for so many rows of each kind. A run fills what it reads, whoever used them before.
  std::vector<std::byte*> buffers_of(const BufferPlan& plan, const std::array<std::size_t, 3>& rows) {
    if (slots.size() < plan.slots.size()) slots.resize(plan.slots.size());
    std::vector<std::byte*> result(plan.slots.size());
    for (std::size_t i = 0; i < result.size(); ++i)
      result[i] = static_cast<std::byte*>(slots[i].reserve(plan.bytes(i, rows)));
    return result;
  }

  /// Runs one node of a graph, and notes its time in the profile.
  template <typename Run>
  void node(const Graph& graph, std::size_t index, const Run& run) {
    if (!profile) return run();
    const auto start = std::chrono::steady_clock::now();
    run();
    note(graph, index, std::chrono::steady_clock::now() - start);
  }

  void note(const Graph& graph, std::size_t index, std::chrono::duration<double> time);
};

}  // namespace octavo
