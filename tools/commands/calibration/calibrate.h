// What `octavo calibrate` does, for callers that print nothing.
#pragma once

#include "cli/log.h"
#include "cli/options.h"
#include "report/calibration_report.h"

namespace octavo::tools {

/// Writes the INT8 file that the arguments of kCalibrate ask for, and tells how close it is. Throws UsageError and
/// octavo::Error, and what the log's sinks throw.
CalibrationReport calibrate(const Arguments& arguments, const Log& log);

}  // namespace octavo::tools
