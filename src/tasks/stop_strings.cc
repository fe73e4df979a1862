// Where does a text stop?
#include "octavo/error.h"
#include "octavo/sampling.h"

#include <algorithm>
#include <utility>

namespace octavo {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  for (const std::string& stop : stops_) {
    if (stop.empty()) throw Error("stop string is empty, expected text");
  }
}

std::string StopStrings::push(std::string_view text) {
  if (stopped_) return "";
  pending_ += text;
  std::size_t begin = 0, end = std::string::npos;
  for (const std::string& stop : stops_) {
    const std::size_t at = pending_.find(stop);
    if (at == std::string::npos) continue;
    const std::size_t stop_end = at + stop.size();
    if (stop_end < end || (stop_end == end && at < begin)) begin = at, end = stop_end;
  }
  stopped_ = end != std::string::npos;
  const std::size_t shown = stopped_ ? begin : pending_.size() - held_back();
  std::string result = pending_.substr(0, shown);
  pending_ = stopped_ ? "" : pending_.substr(shown);
  return result;
}

std::string StopStrings::finish() { return std::exchange(pending_, {}); }

// How many bytes at the end are the beginning of a stop string.
std::size_t StopStrings::held_back() const {
  std::size_t most = 0;
  for (const std::string& stop : stops_) {
    std::size_t length = std::min(pending_.size(), stop.size() - 1);
    while (length > most && !pending_.ends_with(std::string_view(stop).substr(0, length))) --length;
    most = std::max(most, length);
  }
  return most;
}

}  // namespace octavo
