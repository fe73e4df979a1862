// The flags that say how a model is quantized: CalibrationOptions on the command line.
#pragma once

#include "cli/options.h"

#include "octavo/quantization.h"

#include <vector>

namespace octavo::tools {

/// --method --percentile --weights --residual --head --probabilities --paper --equalize --copies --bias-correction
/// --rounding --weight-bits --vocabulary-bits --extra-bits --target-cosine
Flags calibration_flags();

/// Those of them that would have no effect.
std::vector<Rule> calibration_rules();

/// Throws UsageError for values out of range. Extra bits of "all" are one value of this name.
CalibrationOptions read_calibration(const Arguments& arguments);

}  // namespace octavo::tools
