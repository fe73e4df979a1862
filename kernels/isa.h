// Which instruction sets are there, and which can this process use?
#pragma once

namespace octavo::kernels {

/// Instruction sets that a choice of kernels can be limited to, worst first. They are sets of CPU features, not a
/// chain: see isas.inc.
enum class Isa {
#define ISA(name, base, kernels) name,
#include "kernels/isas.inc"
#undef ISA
};

constexpr int kIsaCount = 0
#define ISA(name, base, kernels) +1
#include "kernels/isas.inc"
#undef ISA
    ;

struct IsaStatus {
  Isa isa;
  const char* name;     ///< as in isas.inc
  bool available;       ///< the CPU has the instructions and the operating system saves their registers
  const char* missing;  ///< why not, in words a user understands; "" when available
};

/// What this CPU has, in the order of Isa; the answer never changes during a process.
const IsaStatus* isa_status();  // array of kIsaCount

/// Gets from the operating system what kernels of `isa`, which is available, need for this process; false if it
/// refuses. Only the tiles of AMX are such a thing.
bool prepare(Isa isa);

}  // namespace octavo::kernels
