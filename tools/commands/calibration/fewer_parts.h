// --drop and --drop-until: which sublayers a calibration leaves out.
#pragma once

#include "cli/options.h"
#include "data/sample_batches.h"

#include "octavo/sublayers.h"

#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

Flags drop_flags();
std::vector<Rule> drop_rules();

/// Nothing where no sublayer is to be removed.
std::optional<SublayerOptions> read_drop(const Arguments& arguments);

/// Chooses by what the model answers to the first samples.
SublayerChoice drop_sublayers(const Model& whole, SublayerOptions options, const std::vector<std::string>& samples,
                              SampleBatches& batches, Workspace& workspace, const Log& log);

}  // namespace octavo::tools
