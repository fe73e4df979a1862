#include "data/text_input.h"

#include "cli/escaped.h"
#include "data/samples.h"

#include "octavo/error.h"

#include <utility>

namespace octavo::tools {

TextInput read_text_input(const std::string& line, const std::vector<int>& columns, const std::string& place) {
  std::vector<std::string> texts = columns.empty() ? split_tabs(line) : split_columns(line, columns, place);
  if (texts.size() > 2) {
    throw Error(place + ": has " + std::to_string(texts.size()) +
                " tab-separated texts, expected one or two; --column chooses some");
  }
  TextInput input{.text = std::move(texts[0])};
  if (texts.size() == 2) input.pair = std::move(texts[1]);
  return input;
}

std::string as_columns(const TextInput& input) {
  return escaped(input.text) + (input.pair ? "\t" + escaped(*input.pair) : "");
}

}  // namespace octavo::tools
