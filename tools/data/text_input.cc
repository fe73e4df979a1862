#include "data/text_input.h"

#include "cli/escaped.h"
#include "data/samples.h"

#include "octavo/error.h"

#include <utility>

namespace octavo::tools {

namespace {

TextInput input_of(std::vector<std::string> texts, const std::string& place) {
  if (texts.empty()) throw Error(place + ": has no text, expected one or two beside the label.");
  if (texts.size() > 2) {
    throw Error(place + ": has " + std::to_string(texts.size()) +
                " tab-separated texts, expected one or two; --column chooses some");
  }
  TextInput input{.text = std::move(texts[0])};
  if (texts.size() == 2) input.pair = std::move(texts[1]);
  return input;
}

}  // namespace

TextInput read_text_input(const std::string& line, const std::vector<int>& columns, const std::string& place) {
  return input_of(columns.empty() ? split_tabs(line) : split_columns(line, columns, place), place);
}

LabelledInput read_labelled_input(const std::string& line, const std::vector<int>& columns, int label,
                                  const std::string& place) {
  std::string cell = split_columns(line, {label}, place)[0];
  if (!columns.empty()) return {read_text_input(line, columns, place), std::move(cell)};
  std::vector<std::string> texts = split_tabs(line);
  texts.erase(texts.begin() + label - 1);
  return {input_of(std::move(texts), place), std::move(cell)};
}

std::string as_columns(const TextInput& input) {
  return escaped(input.text) + (input.pair ? "\t" + escaped(*input.pair) : "");
}

}  // namespace octavo::tools
