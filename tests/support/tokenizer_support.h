// What tests ask of a tokenizer, and the small one of BERT's form with a change.
#pragma once

#include "tests/support/small_tokenizers.h"
#include "tests/support/support.h"

#include "octavo/tokenizer.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::test {

Tokenizer open_tokenizer(const nlohmann::json& file);

/// small_tokenizer() with one value replaced or added.
Tokenizer small_tokenizer_with(const std::string& pointer, const nlohmann::json& value);

/// A token of a text, and where it comes from.
struct Piece {
  std::string token;
  ByteRange span;
  bool operator==(const Piece&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Piece& piece);

std::vector<Piece> pieces(const Tokenizer& tokenizer, const Tokens& tokens);

std::vector<Piece> pieces(const Tokenizer& tokenizer, std::string_view text);

/// The tokens of a text with a space between them, without the special ones around them.
std::string words(const Tokenizer& tokenizer, std::string_view text);

/// Requires that two tokenizers have the same tokens and give the same for each text and pair of texts.
void require_same(const Tokenizer& a, const Tokenizer& b, std::span<const std::string> texts);

}  // namespace octavo::test
