// The two halves of `octavo classify`: pictures and texts.
#pragma once

#include "cli/log.h"
#include "commands/common_flags.h"

#include "octavo/engine.h"

#include <optional>
#include <string>

namespace octavo::tools {

/// What both have.
struct ClassifySettings {
  RunOptions run;
  std::optional<int> top_k;
  bool json = false;
  std::string output;
};

/// Answers --image, --file and plain words. Throws octavo::Error at the end when some could not be read.
void classify_pictures(const Arguments& arguments, const ClassifySettings& settings, Engine engine, const Log& log);

/// Answers --prompt and --file.
void classify_texts(const Arguments& arguments, const ClassifySettings& settings, Engine engine, const Log& log);

}  // namespace octavo::tools
