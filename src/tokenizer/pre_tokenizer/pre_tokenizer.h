// Where do a text's words begin and end, to BERT and to GPT-2?
#pragma once

#include "tokenizer/pre_tokenizer/split_behavior.h"
#include "tokenizer/unicode/normalized_text.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace octavo {

/// tokenizer.json's BertPreTokenizer: white space separates words, punctuation is a word of its own character by
/// character.
struct BertPreTokenizer {
  static constexpr const char* kType = "BertPreTokenizer";

  void split(std::string_view text, std::vector<Word>& words) const;

  /// Where a text may be cut, at or after byte `from` > 0: its two parts have the same words, whatever their
  /// normalization. The text's size when it cannot be cut.
  std::size_t find_cut(std::string_view text, std::size_t from) const;
};

/// tokenizer.json's ByteLevel, GPT-2's way: every byte of a text belongs to a word; a word is an English contraction
/// ('s), letters, digits or other characters, each with the one space before them, or white space. In GPT-2's code:
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
/// Letters and numbers are the Unicode categories L and N of the installed utf8proc.
struct ByteLevel {
  static constexpr const char* kType = "ByteLevel";

  bool add_prefix_space = false;  ///< read a text that does not begin with a space as if it did
  bool trim_offsets = true;       ///< kept for who writes it again; a post-processor's counts
  bool use_regex = true;          ///< else a text is one word

  bool rewrites(TextView text) const;

  /// Appends the text with its space, which comes from the first character.
  void rewrite(TextView text, NormalizedText& out) const;

  /// Of well-formed UTF-8.
  void split(std::string_view text, std::vector<Word>& words) const;

  /// As above; a text with add_prefix_space cannot be cut, nor one that is a word.
  std::size_t find_cut(std::string_view text, std::size_t from) const;
};

}  // namespace octavo
