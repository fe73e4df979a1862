// Options of a calibration: what their values are called, and which fit together.
#pragma once

#include "octavo/model.h"
#include "octavo/quantization.h"

namespace octavo {

const char* name_of(RangeMethod method);
const char* name_of(WeightScales scales);
const char* name_of(WeightRounding rounding);
const char* name_of(ProbabilityType type);
const char* name_of(ResidualType type);
const char* name_of(HeadType type);
const char* name_of(EqualizeMethod method);

inline bool every_value(const CalibrationOptions& options) {
  return options.quantizers == QuantizerPlacement::every_value;
}

/// Throws Error naming an option that is out of range, contradicts another one, or has no effect beside others.
void check_options(const CalibrationOptions& options);

/// Throws Error when options bound what a task loses and the model has no head for one.
void require_answers(const ModelInfo& info, const CalibrationOptions& options);

}  // namespace octavo
