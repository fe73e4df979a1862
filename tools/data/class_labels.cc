#include "data/class_labels.h"

#include "cli/numbers.h"
#include "data/input.h"
#include "data/samples.h"

#include "octavo/error.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace octavo::tools {

ClassLabels::ClassLabels(const std::string& file, int classes) {
  LineReader reader(file);
  while (const std::optional<std::string> line = reader.next()) {
    if (line->empty()) continue;
    const std::string place = reader.name() + ":" + std::to_string(reader.line());
    const std::vector<std::string> cells = split_columns(*line, {1, 2}, place);
    int id = -1;
    const char* end = cells[1].data() + cells[1].size();
    const auto [stop, error] = std::from_chars(cells[1].data(), end, id);
    if (error != std::errc() || stop != end || id < 0 || id >= classes) {
      throw Error(place + ": the class is '" + cells[1] + "', expected a number from 0 to " +
                  std::to_string(classes - 1) + ".");
    }
    classes_[cells[0]] = id;
  }
  if (classes_.empty()) throw Error(reader.name() + ": has no line with an input and its class.");
}

void ClassLabels::count(const std::string& input, const std::vector<ClassScore>& scores) {
  auto found = classes_.find(input);
  if (found == classes_.end()) found = classes_.find(std::filesystem::path(input).filename().string());
  if (found == classes_.end() || scores.empty()) return;
  ++counted_;
  const auto right = [&](const ClassScore& score) { return score.id == found->second; };
  if (right(scores.front())) ++first_;
  const auto end = scores.begin() + std::min<std::ptrdiff_t>(5, std::ssize(scores));
  if (std::any_of(scores.begin(), end, right)) ++five_;
}

std::string ClassLabels::text() const {
  std::string text = "top-1 ";
  append_fixed(text, 100 * top1(), 1);
  text += " %, top-5 ";
  append_fixed(text, 100 * top5(), 1);
  return text + " % of " + std::to_string(counted_) + " labelled inputs";
}

}  // namespace octavo::tools
