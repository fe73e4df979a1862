#include "data/text_labels.h"

#include "cli/numbers.h"
#include "data/samples.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

namespace octavo::tools {
namespace {

/// The whole text as a number.
template <typename Number>
std::optional<Number> number_in(const std::string& text) {
  Number value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

std::string listed(const std::vector<std::string>& words) {
  constexpr std::size_t kMost = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(words.size(), kMost); ++i) text += (i == 0 ? "" : ", ") + words[i];
  return text + (words.size() > kMost ? ", ..." : "");
}

}  // namespace

int column_of(const std::string& flag, LineReader& reader) {
  constexpr int kMost = 1'000'000;
  if (const std::optional<int> number = number_in<int>(flag)) {
    if (*number >= 1 && *number <= kMost) return *number;
    throw Error("--labels is '" + flag + "', expected a column from 1 to " + std::to_string(kMost) +
                ", or the name of one.");
  }
  const std::vector<std::string> names = split_tabs(reader.next().value_or(""));
  const auto found = std::ranges::find(names, flag);
  if (found == names.end())
    throw Error(reader.name() + ":1: has no column called '" + flag + "'; the first line has " + listed(names) + ".");
  return static_cast<int>(found - names.begin()) + 1;
}

LabelReader::LabelReader(const Model& model) {
  const ModelInfo& info = model.info();
  require_task(model, TextTask::sequence_classification);
  const AnswerKind kind = answer_kind(info);
  if (kind == AnswerKind::decisions)
    throw Error(info.name + ": several of its classes may be true of a text, expected one class for --labels.");
  if (kind == AnswerKind::numbers && info.classes > 1)
    throw Error(info.name + ": answers with " + std::to_string(info.classes) +
                " numbers, expected one number or classes for --labels.");
  for (int id = 0; kind == AnswerKind::classes && id < info.classes; ++id) names_.push_back(label_of(model, id));
}

double LabelReader::read(const std::string& cell, const std::string& place) const {
  const auto fail = [&](const std::string& expected) {
    const bool first = place.ends_with(":1");
    throw Error(place + ": the label is '" + cell + "', expected " + expected +
                (first ? "; --labels with the name of a column leaves out a line of headings." : "."));
  };
  if (names_.empty()) {
    const std::optional<double> number = number_in<double>(cell);
    if (!number || !std::isfinite(*number)) fail("a number");
    return *number;
  }
  if (const auto found = std::ranges::find(names_, cell); found != names_.end())
    return static_cast<double>(found - names_.begin());
  const std::optional<int> id = number_in<int>(cell);
  if (!id || *id < 0 || *id >= std::ssize(names_))
    fail(listed(names_) + " or a number from 0 to " + std::to_string(names_.size() - 1));
  return *id;
}

void LabelScore::add(const ClassScore& best, double label) {
  if (answers_.kind == AnswerKind::numbers) {
    answers_.columns = 1;
    answers_.scores.push_back(best.score);
  } else {
    answers_.choices.push_back(best.id);
  }
  labels_.emplace_back(label);
}

std::string LabelScore::text() const {
  const TaskScore found = score();
  return (found.pearson ? "Spearman " + fixed(found.value, 4) + ", Pearson " + fixed(*found.pearson, 4)
                        : "accuracy " + fixed(100.0 * found.value, 2) + " %") +
         " of " + std::to_string(found.count) + " labelled inputs";
}

nlohmann::ordered_json LabelScore::json() const {
  const TaskScore found = score();
  if (!found.pearson) return {{"labelled", found.count}, {"accuracy", found.value}};
  return {{"labelled", found.count}, {"spearman", found.value}, {"pearson", *found.pearson}};
}

}  // namespace octavo::tools
