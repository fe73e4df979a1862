// The flags that several subcommands share, and what they say together.
#pragma once

#include "cli/log.h"
#include "cli/options.h"
#include "data/input.h"

#include "octavo/engine.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

Flags model_flags();                                         ///< -m
Flags input_flags();                                         ///< -p -f
Flags image_flags();                                         ///< --image -f
Flags run_flags(const std::string& batch_tokens = "16384");  ///< -t -b --max-batch-tokens --isa
Flags max_length_flags();                                    ///< --max-length
Flags output_flags();                                        ///< --json -o
Flags verbosity_flags();                                     ///< -v -q

/// How to run an engine.
struct RunOptions {
  int threads = 0;  ///< 0: as many as this process may use
  BatchLimits batch;
  std::string isa;  ///< empty: the best
};

RunOptions read_run_options(const Arguments& arguments);

/// --isa, or "". Throws UsageError where --model is a checkpoint, which runs in float32 whatever it says.
std::string read_isa(const Arguments& arguments);

std::optional<std::int64_t> read_max_length(const Arguments& arguments);
Log read_log(const Arguments& arguments);

/// Throws UsageError when there is neither a prompt nor a file.
Inputs read_inputs(const Arguments& arguments);

/// The pictures of --image, of the lines of --file, and of words that are no flags; a folder stands for the pictures in
/// it, in the order of their names. Throws UsageError when there is neither.
std::vector<std::string> read_pictures(const Arguments& arguments);

/// --output, or "" for standard output.
std::string read_output(const Arguments& arguments);

/// What --verbose says about an engine that is about to run.
void describe(const Engine& engine, const Workspace& workspace, const Log& log);

}  // namespace octavo::tools
