// An analysis as one self-contained HTML page: no script, nothing to load, readable on a phone and in print.
#pragma once

#include "report/analysis_report.h"

#include <string>
#include <vector>

namespace octavo::tools {

/// `tokens`: of the first sample, under its attention maps.
std::string to_page(const Analysis& analysis, const AnalysisSubject& subject, const std::vector<std::string>& tokens);

}  // namespace octavo::tools
