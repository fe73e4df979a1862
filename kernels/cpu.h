// What this CPU and operating system let kernels use.
#pragma once

namespace octavo::kernels {

/// For each instruction set of isas.inc, missing_<name>(): what this machine lacks of what the set has beyond its base,
/// the first thing, in words a user understands; "" when nothing. The answers never change during a process.
#define ISA(name, base, kernels) const char* missing_##name();
#include "kernels/isas.inc"
#undef ISA

/// Asks Linux for the AMX tiles, for all threads of this process, whose signal frames grow by them. False if it
/// refuses, as it does where an alternative signal stack is too small for such a frame.
bool request_tiles();

}  // namespace octavo::kernels
