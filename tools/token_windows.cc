#include "token_windows.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>

#include "octavo/error.h"

namespace octavo::tools {

std::vector<TokenWindow> windows_of(const Tokens& text, const DecoderInfo& decoder, std::size_t context, std::size_t stride) {
  const std::size_t first = !text.ids.empty() && text.ids[0] == decoder.bos_token ? 1 : 0, end = text.ids.size();
  if (first == end) throw Error("the text has no tokens, expected at least one");
  std::vector<TokenWindow> windows;
  std::size_t scored = first;
  for (std::size_t begin = first; scored < end; begin += stride) {
    const std::size_t until = std::min(begin + context - 1, end);
    TokenWindow window{.tokens = {.ids = {decoder.bos_token}}, .scored = until - scored};
    window.tokens.ids.insert(window.tokens.ids.end(), text.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                             text.ids.begin() + static_cast<std::ptrdiff_t>(until));
    windows.push_back(std::move(window));
    scored = until;
  }
  return windows;
}

std::vector<std::string> pieces_of(const std::string& text, const Tokenizer& tokenizer, std::size_t tokens) {
  const std::vector<Span> offsets = tokenizer.encode(text).offsets;
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
