// What this CPU and operating system let kernels use.
#pragma once

namespace octavo::kernels {

/// For each instruction set above scalar, the first thing that is missing, in words a user understands; "" when nothing is.
struct CpuFeatures {
  const char* missing_avx2;
  const char* missing_avxvnni;
  const char* missing_avx512vnni;
  const char* missing_amx;
};

/// Asks the CPU and the operating system, from which a process has to get leave to use AMX tiles; the answer never changes
/// during a process.
CpuFeatures cpu_features();

}  // namespace octavo::kernels
