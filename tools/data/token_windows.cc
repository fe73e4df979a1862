#include "data/token_windows.h"

#include "octavo/error.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>

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

namespace {

/// The tokens of a line without special ones around them.
void append_line(std::vector<std::int32_t>& ids, std::string_view line, const Tokenizer& tokenizer) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  const TokenWindow window = tokenizer.windows(line, {.max_length = std::numeric_limits<int>::max()})[0];
  const auto begin = window.tokens.ids.begin() + window.first;
  ids.insert(ids.end(), begin, begin + std::ssize(window.words));
}

}  // namespace

std::vector<Tokens> blocks_of(const std::string& text, const Tokenizer& tokenizer, int length) {
  std::vector<std::int32_t> ids;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    append_line(ids, rest.substr(0, end), tokenizer);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (ids.empty()) throw Error("the text has no tokens, expected at least one");
  const TokenWindow nothing = tokenizer.windows("", {.max_length = std::numeric_limits<int>::max()})[0];
  const std::vector<std::int32_t>& around = nothing.tokens.ids;
  if (length <= std::ssize(around)) {
    throw Error("a block has " + std::to_string(length) + " tokens, expected more than the " +
                std::to_string(around.size()) + " special ones around a text");
  }
  const auto room = length - std::ssize(around);
  std::vector<Tokens> blocks;
  for (auto first = ids.begin(); first != ids.end();) {
    const auto last = first + std::min<std::ptrdiff_t>(room, ids.end() - first);
    std::vector<std::int32_t> block = around;
    block.insert(block.begin() + nothing.first, first, last);
    blocks.push_back({.ids = std::move(block)});
    first = last;
  }
  return blocks;
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
