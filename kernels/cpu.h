// What this CPU and operating system let kernels use.
#pragma once

namespace octavo::kernels {

/// For each instruction set above scalar, the first thing that is missing, in words a user understands; "" when nothing
/// is.
struct CpuFeatures {
  const char* missing_avx2;
  const char* missing_avxvnni;
  const char* missing_avx512vnni;
  const char* missing_amx;
};

/// Asks the CPU and the operating system; the answer never changes during a process.
CpuFeatures cpu_features();

/// Asks Linux for the AMX tiles, for all threads of this process, whose signal frames grow by them. False if it
/// refuses, as it does where an alternative signal stack is too small for such a frame.
bool request_tiles();

}  // namespace octavo::kernels
