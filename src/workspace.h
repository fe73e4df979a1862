// Threads and buffers of one caller.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "octavo/engine.h"
#include "thread_pool.h"

namespace octavo {

/// Zero-initialised, 64-byte aligned memory that only grows.
class Buffer {
 public:
  /// At least `bytes` long; contents are kept only when it need not grow.
  void* reserve(std::size_t bytes);
  std::size_t bytes() const { return bytes_; }

 private:
  struct Free { void operator()(void* p) const; };
  std::unique_ptr<void, Free> data_;
  std::size_t bytes_ = 0;
};

struct Workspace::Data {
  explicit Data(int threads) : pool(threads) {}
  ThreadPool pool;
  std::map<std::string, Buffer, std::less<>> buffers;  ///< by name of what they hold

  template <typename T>
  T* get(const std::string& name, std::size_t elements) {
    return static_cast<T*>(buffers[name].reserve(elements * sizeof(T)));
  }
};

}  // namespace octavo
