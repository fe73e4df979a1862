// A long text as what a decoder takes at a time: windows of its tokens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "octavo/model.h"
#include "octavo/tokenizer.h"

namespace octavo::tools {

/// Begins with the beginning-of-text token, as every text does.
struct TokenWindow {
  Tokens tokens;
  std::size_t scored = 0;  ///< of its last tokens: those that are in no window before
};

/// Windows of at most `context` tokens. Each begins `stride` tokens of the text after the one before: context - 1 leaves none out and
/// takes none twice. Throws Error when the text has no tokens.
std::vector<TokenWindow> windows_of(const Tokens& text, const DecoderInfo& decoder, std::size_t context, std::size_t stride);

/// Pieces of a text of at most `tokens` tokens each, one after the other.
std::vector<std::string> pieces_of(const std::string& text, const Tokenizer& tokenizer, std::size_t tokens);

/// The whole file, or standard input for "-". Throws Error naming it when it cannot be read.
std::string read_text(const std::string& file);

}  // namespace octavo::tools
