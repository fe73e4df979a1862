// What this machine can do at most, which kernels are measured against: multiply-adds of bytes of a core when nothing
// is loaded or stored, and bytes that cores read from memory in order.
#pragma once

#include "kernels/kernels.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <sys/mman.h>
#include <thread>
#include <time.h>
#include <vector>

// Multiply-adds done by the product instruction of each instruction set, in peak_<isa>.cc; a set without such a file is
// measured by that of the set it builds on.
#define ISA(name, base, kernels) [[gnu::weak]] int64_t run_peak_##name(int rounds);
#include "kernels/isas.inc"
#undef ISA

void read_in_order_avx2(const uint8_t* from, int64_t bytes);  // a multiple of 256; 256-bit loads

/// CPU seconds of this thread.
inline double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Multiply-adds per second of one short window with the product instruction of `isa`; 0 for scalar and for what this
/// CPU lacks.
inline double peak_rate(std::string_view isa) {
  struct Peak {
    std::string_view isa, base;
    int64_t (*run)(int rounds);
  };
  static const Peak peaks[] = {
#define ISA(name, base, kernels) {#name, #base, run_peak_##name},
#include "kernels/isas.inc"
#undef ISA
  };
  const octavo::kernels::IsaStatus* statuses = octavo::kernels::isa_status();
  int64_t (*run)(int rounds) = nullptr;
  for (int i = octavo::kernels::kIsaCount - 1; i >= 0 && run == nullptr; --i) {
    if (isa != peaks[i].isa) continue;
    if (!statuses[i].available) return 0;
    run = peaks[i].run;
    isa = peaks[i].base;
  }
  if (run == nullptr) return 0;
  const double start = thread_seconds();
  const int64_t done = run(20000);
  return static_cast<double>(done) / (thread_seconds() - start);
}

/// Memory to read in order, larger than any cache here, in huge pages where the system has them.
class Stream {
 public:
  Stream() : bytes_(static_cast<uint8_t*>(std::aligned_alloc(std::size_t{2} << 20, kBytes)), std::free) {
    madvise(bytes_.get(), kBytes, MADV_HUGEPAGE);
    std::memset(bytes_.get(), 1, kBytes);
  }

  /// Bytes per second that so many threads read together, each a part of its own.
  double rate(int threads) const {
    const int64_t part = static_cast<int64_t>(kBytes) / threads / 256 * 256;
    std::atomic<int> waiting{threads};
    std::vector<std::jthread> others;
    std::atomic<int64_t> first{0}, last{0};
    const auto read = [&](int thread) {
      --waiting;
      while (waiting > 0) {
      }
      if (thread == 0) first = now();
      read_in_order_avx2(bytes_.get() + thread * part, part);
      for (int64_t end = now(), seen = last; seen < end && !last.compare_exchange_weak(seen, end);) {
      }
    };
    for (int i = 1; i < threads; ++i) others.emplace_back(read, i);
    read(0);
    others.clear();
    return static_cast<double>(part * threads) / (1e-9 * static_cast<double>(last - first));
  }

 private:
  static int64_t now() { return std::chrono::steady_clock::now().time_since_epoch().count(); }
  static constexpr std::size_t kBytes = std::size_t{512} << 20;
  std::unique_ptr<uint8_t, decltype(&std::free)> bytes_;
};
