// The subcommands of `octavo`: each is a row of data, defined in the file of its name.
#pragma once

#include "cli/options.h"

#include <span>

namespace octavo::tools {

struct Command {
  const char* name;
  const char* about;             ///< its line in `octavo --help`
  Syntax (*syntax)();            ///< what it accepts
  int (*run)(const Arguments&);  ///< the exit code; errors are exceptions
};

extern const Command kAnalyze, kAnswer, kBench, kCalibrate, kClassify, kEmbed, kFill, kGenerate, kInfo, kPerplexity,
    kRank, kRun, kTag, kTokenize, kSelftest, kManual, kCompletion;

/// All of them, in the order of `octavo --help`.
std::span<const Command* const> all_commands();

}  // namespace octavo::tools
