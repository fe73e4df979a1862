// What tests ask of a byte-level BPE tokenizer, and the small one with a change.
#pragma once

#include "tests/support/tokenizer_support.h"

#include <string>
#include <string_view>

namespace octavo::test {

/// small_bpe() with one value replaced or added.
inline Tokenizer small_bpe_with(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json file = small_bpe();
  file[nlohmann::json::json_pointer(pointer)] = value;
  return open_tokenizer(file);
}

/// The tokens of a text with | between them, without the </s> that begins it.
inline std::string bpe_words(const Tokenizer& tokenizer, std::string_view text) {
  const Tokens tokens = tokenizer.encode(text);
  REQUIRE(!tokens.ids.empty());
  std::string result;
  for (std::size_t i = 1; i < tokens.ids.size(); ++i) {
    result += (i > 1 ? "|" : "") + std::string(tokenizer.token(tokens.ids[i]));
  }
  return result;
}

}  // namespace octavo::test
