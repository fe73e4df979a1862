// A line on the terminal that says how far a long run is, and when it will end.
#pragma once

#include "cli/log.h"
#include "cli/stopwatch.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace octavo::tools {

/// Shows nothing when stderr is not a terminal or with --quiet, and tells the log's sink where it has one. The line
/// vanishes at the end, so that what follows stands alone.
class Progress {
 public:
  Progress(std::string label, const Log& log);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` things so far; `fraction`, where known, of the whole. Redraws a few times a second.
  void update(std::int64_t done, std::optional<double> fraction);

 private:
  std::string label_;
  std::function<void(const std::string&, double)> sink_;  // in place of the terminal, if there is one
  bool shown_;
  Stopwatch since_start_;
  double last_drawn_ = -1;
};

/// "[=====>     ]  42 %  210 done, 35/s, 0:08 left": the line for given figures.
std::string progress_line(std::int64_t done, std::optional<double> fraction, double seconds);

}  // namespace octavo::tools
