// An analysis as text and as JSON.
#pragma once

#include "octavo/analysis.h"

#include <string>

namespace octavo::tools {

/// What an analysis was made of, for its titles.
struct AnalysisSubject {
  std::string model;      ///< name of the checkpoint
  std::string quantized;  ///< "simulated W8A8", or the INT8 file
  std::string data;       ///< name of the data file
};

std::string to_text(const Analysis& analysis, const AnalysisSubject& subject);
std::string to_json(const Analysis& analysis, const AnalysisSubject& subject);

/// The layer that a value's name says, "3", or "" for one outside of the layers.
std::string layer_of(const std::string& name);

/// Share as a percentage, "93.6 %".
std::string percent(double share, int digits = 1);

}  // namespace octavo::tools
