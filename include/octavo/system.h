// What this machine has: threads, instruction sets, and whether their kernels give the bytes of the scalar ones.
#pragma once

#include <string>
#include <vector>

namespace octavo {

/// Counts the threads that this process may really use: the smaller of its CPU affinity and its cgroup's quota, at
/// least 1.
int default_threads();

/// Lists the names usable as EngineOptions::isa on this machine, best first.
std::vector<std::string> available_isas();

/// An instruction set that the library has kernels for, and whether this machine can run them.
struct IsaInfo {
  std::string name;
  bool available;
  std::string reason;  ///< why it is not available; empty when it is
};

/// Lists every instruction set that the library was built with, best first.
std::vector<IsaInfo> isa_report();

/// Names this CPU as it reports itself.
std::string cpu_name();

/// How one kernel of one instruction set compares with scalar.
struct SelfTestResult {
  std::string isa, kernel;
  int cases = 0;       ///< random and extreme inputs compared with scalar
  int mismatches = 0;  ///< cases with any differing byte
};

/// Compares every kernel of every available instruction set with the scalar definition on this machine.
std::vector<SelfTestResult> self_test(unsigned seed = 0);

}  // namespace octavo
