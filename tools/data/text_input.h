// One input of a model that takes a text or a pair of texts, as a line of a file has it.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

struct TextInput {
  std::string text;
  std::optional<std::string> pair = {};
};

/// The texts in these tab-separated columns (from 1), one or two; without columns a line is one text, or two with a tab
/// between them. `place` stands in messages: octavo::Error when a line lacks a column or has more than two texts.
TextInput read_text_input(const std::string& line, const std::vector<int>& columns, const std::string& place);

/// An input and the cell that holds what is right of it.
struct LabelledInput {
  TextInput input;
  std::string label;
};

/// The same beside a column of labels, from 1; without columns the texts are all others.
LabelledInput read_labelled_input(const std::string& line, const std::vector<int>& columns, int label,
                                  const std::string& place);

/// The input as columns of an answer: escaped, a tab between a pair.
std::string as_columns(const TextInput& input);

}  // namespace octavo::tools
