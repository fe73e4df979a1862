// `octavo perplexity` of a model that predicts masked tokens.
#pragma once

#include "cli/log.h"
#include "cli/options.h"

#include "octavo/engine.h"

#include <string>

namespace octavo::tools {

/// The perplexity of the tokens that --masks asks for, or of a text some tokens of which are hidden, and the share of
/// them that the model finds: a line, or JSON. Throws UsageError for a flag of decoders, octavo::Error when nothing is
/// asked.
std::string masked_perplexity(const Engine& engine, Workspace& workspace, const Arguments& arguments, const Log& log);

}  // namespace octavo::tools
