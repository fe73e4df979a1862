// One line per call.
#include "cli/log.h"

#include <cstdio>

namespace octavo::tools {

void Log::warn(const std::string& line) const { say("octavo: warning: " + line); }

void Log::say(const std::string& line) const {
  if (sinks_.say) return sinks_.say(line);
  if (!quiet()) std::fprintf(stderr, "%s\n", line.c_str());
}

void Log::detail(const std::string& line) const {
  if (verbosity_ == Verbosity::verbose) say(line);
}

}  // namespace octavo::tools
