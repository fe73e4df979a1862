// A long text as what a model takes at a time: windows of its tokens.
#pragma once

#include "octavo/tokenizer.h"

#include <cstdint>
#include <string>
#include <vector>

namespace octavo::tools {

struct ScoredWindow {
  Tokens tokens;
  std::size_t scored = 0;  ///< of its last tokens: those that no window before has scored, the first one of all apart
};

/// Windows of at most `context` tokens. Each begins `stride` tokens after the one before, at most `context`. The first
/// token of a window has nothing before it and is scored by the window before, if they overlap. Throws Error when the
/// text has no two tokens.
std::vector<ScoredWindow> windows_of(const Tokens& text, std::size_t context, std::size_t stride);

/// The tokens of a text's lines one behind the other, cut into blocks of at most `length` tokens, special ones around
/// each included. Throws Error when those leave no room, or the text has no tokens.
std::vector<Tokens> blocks_of(const std::string& text, const Tokenizer& tokenizer, int length);

/// Pieces of a text of at most `tokens` tokens each, one after the other.
std::vector<std::string> pieces_of(const std::string& text, const Tokenizer& tokenizer, std::size_t tokens);

/// The whole file, or standard input for "-". Throws Error naming it when it cannot be read.
std::string read_text(const std::string& file);

}  // namespace octavo::tools
