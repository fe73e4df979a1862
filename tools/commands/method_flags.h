// The flags that say what a checkpoint's config.json does not: clipped softmax and gates.
#pragma once

#include "cli/options.h"

#include "octavo/model.h"

namespace octavo::tools {

Flags method_flags();  ///< --softmax --alpha --gate-type --gate-scale

/// Throws UsageError for values out of range and for --softmax beside --alpha.
CheckpointOptions read_method(const Arguments& arguments);

}  // namespace octavo::tools
