// Where do added tokens such as [MASK] stand in a text?
#pragma once

#include "tokenizer/unicode/pattern_set.h"

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

  bool operator==(const AddedToken&) const = default;
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

  /// All matches in their order. As in the tokenizers library, white space that a token has taken with rstrip may also
  /// be part of a token that begins in it; two such matches overlap. Takes time in proportion to the text.
  std::vector<Match> find(std::string_view text) const;

 private:
  std::vector<AddedToken> tokens_;
  std::optional<PatternSet> contents_;  // nothing when there are none
};

}  // namespace octavo
