// Drawing: carriage return, text, clear to the end of the line.
#include "cli/progress.h"

#include <cmath>
#include <cstdio>
#include <unistd.h>
#include <utility>

namespace octavo::tools {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr int kBarColumns = 24;

std::string minutes_and_seconds(double seconds) {
  const auto whole = static_cast<long long>(std::ceil(seconds));
  char text[32];
  std::snprintf(text, sizeof(text), "%lld:%02lld", whole / 60, whole % 60);
  return text;
}

std::string bar(double fraction) {
  const int filled = static_cast<int>(fraction * kBarColumns);
  std::string text(static_cast<std::size_t>(filled), '=');
  if (filled < kBarColumns) text += '>';
  text.resize(kBarColumns, ' ');
  return "[" + text + "]";
}

}  // namespace

std::string progress_line(std::int64_t done, std::optional<double> fraction, double seconds) {
  char figures[64];
  std::snprintf(figures, sizeof(figures), "%lld done, %.3g/s", static_cast<long long>(done),
                seconds > 0 ? static_cast<double>(done) / seconds : 0.0);
  if (!fraction) return figures;
  char percent[16];
  std::snprintf(percent, sizeof(percent), " %3.0f %%  ", 100 * *fraction);
  std::string line = bar(*fraction) + percent + figures;
  if (*fraction > 0) line += ", " + minutes_and_seconds(seconds * (1 - *fraction) / *fraction) + " left";
  return line;
}

Progress::Progress(std::string label, const Log& log)
    : label_(std::move(label)),
      sink_(log.progress()),
      shown_(!log.quiet() && !log.has_sinks() && ::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_ && last_drawn_ >= 0) std::fputs("\r\x1b[K", stderr);
}

void Progress::update(std::int64_t done, std::optional<double> fraction) {
  if (sink_ && fraction) sink_(label_, *fraction);
  const double seconds = since_start_.seconds();
  if (!shown_ || (last_drawn_ >= 0 && seconds - last_drawn_ < kRedrawSeconds)) return;
  last_drawn_ = seconds;
  std::fprintf(stderr, "\r%s %s\x1b[K", label_.c_str(), progress_line(done, fraction, seconds).c_str());
}

}  // namespace octavo::tools
