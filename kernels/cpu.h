// What this CPU and operating system let kernels use.
#pragma once

namespace octavo::kernels {

/// For each instruction set above scalar, the first thing that is missing, in words a user understands; "" when nothing is.
struct CpuFeatures {
  const char* missing_avx2;
  const char* missing_avxvnni;
  const char* missing_avx512vnni;
};

/// Asks the CPU and the operating system; the answer never changes during a process.
CpuFeatures cpu_features();

}  // namespace octavo::kernels
