#include "data/token_windows.h"

#include "octavo/error.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

namespace octavo::tools {

std::vector<ScoredWindow> windows_of(const Tokens& text, std::size_t context, std::size_t stride) {
  const std::size_t end = text.ids.size();
  if (end < 2) throw Error("the text has " + std::to_string(end) + " tokens, expected at least two");
  std::vector<ScoredWindow> windows;
  std::size_t scored = 0;
  for (std::size_t begin = 0; begin + 1 < end && scored < end; begin += stride) {
    const std::size_t until = std::min(begin + context, end);
    ScoredWindow window{.tokens = {.ids = {}}, .scored = until - std::max(scored, begin + 1)};
    window.tokens.ids.assign(text.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                             text.ids.begin() + static_cast<std::ptrdiff_t>(until));
    windows.push_back(std::move(window));
    scored = until;
  }
  return windows;
}

std::vector<std::string> pieces_of(const std::string& text, const Tokenizer& tokenizer, std::size_t tokens) {
  const std::vector<ByteRange> offsets = tokenizer.encode(text).offsets;
  std::vector<std::string> pieces;
  std::size_t first = 0;
  while (first < offsets.size() && offsets[first].begin == offsets[first].end) ++first;  // added before the text
  for (; first < offsets.size(); first += tokens) {
    const auto begin = static_cast<std::size_t>(offsets[first].begin);
    const auto end = static_cast<std::size_t>(offsets[std::min(first + tokens, offsets.size()) - 1].end);
    if (end > begin) pieces.push_back(text.substr(begin, end - begin));
  }
  return pieces;
}

std::string read_text(const std::string& file) {
  std::ostringstream text;
  if (file == "-") {
    text << std::cin.rdbuf();
    return text.str();
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(file + ": cannot be read");
  text << stream.rdbuf();
  if (stream.bad()) throw Error(file + ": cannot be read");
  return text.str();
}

}  // namespace octavo::tools
