// Which instruction set an engine runs on: the caller's word, the environment's, or the best there is.
#pragma once

#include "kernels/kernels.h"

#include <string_view>

namespace octavo {

/// The instruction set named `name`; for "" the one that OCTAVO_ISA names, else the best available. Throws Error for a
/// name that is unknown or not available here, listing what is.
kernels::Isa resolve_isa(std::string_view name);

}  // namespace octavo
