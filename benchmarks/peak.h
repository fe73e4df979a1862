// How many multiply-adds of bytes this core can do when nothing is loaded or stored: what kernels are measured against.
#pragma once

#include "kernels.h"

#include <cstdint>
#include <string_view>
#include <time.h>

int64_t run_peak_avx512vnni(int rounds);  // vpdpbusd on 512-bit registers
int64_t run_peak_avx2(int rounds);        // vpmaddwd and vpaddd on 256-bit registers: bytes widened to 16 bits

/// CPU seconds of this thread.
inline double thread_seconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Multiply-adds per second of one short window with the product instruction of `isa`; 0 for scalar and for what this
/// CPU lacks.
inline double peak_rate(std::string_view isa) {
  const auto is_this = [&](const octavo::kernels::IsaStatus& status) { return status.available && isa == status.name; };
  const octavo::kernels::IsaStatus* all = octavo::kernels::isa_status();
  bool available = false;
  for (int i = 0; i < octavo::kernels::kIsaCount; ++i) available = available || is_this(all[i]);
  if (!available || isa == "scalar") return 0;
  const double start = thread_seconds();
  const int64_t done = isa == "avx2" ? run_peak_avx2(20000) : run_peak_avx512vnni(20000);
  return static_cast<double>(done) / (thread_seconds() - start);
}
