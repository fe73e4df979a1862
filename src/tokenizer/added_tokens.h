// Where do added tokens such as [MASK] stand in a text?
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// An entry of tokenizer.json's added_tokens: text that is one token wherever it occurs.
struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool special = false;
  bool normalized = false;   ///< looked for in normalized text, by its normalized content
  bool single_word = false;  ///< only between characters that are not of words
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space after it
};

/// Finds added tokens: the leftmost first, of several the longest. Immutable.
class AddedTokenFinder {
 public:
  /// Entries must have content.
  explicit AddedTokenFinder(std::vector<AddedToken> tokens);

  bool empty() const { return tokens_.empty(); }

  /// Bytes [begin, end) of the text, with the white space that belongs to the token.
  struct Match {
    std::size_t begin, end;
    std::int32_t id;
  };

  /// The first match at or after byte `from`, of which none of the bytes before `from` are part.
  std::optional<Match> find(std::string_view text, std::size_t from) const;

 private:
  const AddedToken* token_at(std::string_view text) const;
  std::size_t next_candidate(std::string_view text, std::size_t from) const;

  std::vector<AddedToken> tokens_;            // the longest first
  std::array<bool, 256> is_first_byte_ = {};  // of a token
  std::optional<char> only_first_byte_;       // when all tokens begin alike
};

}  // namespace octavo
