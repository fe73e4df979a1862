// The small steps of a pre-tokenizer: each appends the words of a text. Names and meanings are tokenizer.json's.
#pragma once

#include "io/enum_names.h"
#include "tokenizer/pre_tokenizer/split_behavior.h"
#include "tokenizer/unicode/normalized_text.h"
#include "tokenizer/unicode/pattern.h"

#include <cstddef>
#include <string_view>
#include <vector>

namespace octavo {

/// White space separates words.
struct WhitespaceSplit {
  static constexpr const char* kType = "WhitespaceSplit";
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// Words are runs of word characters and runs of others that are no white space.
struct Whitespace {
  static constexpr const char* kType = "Whitespace";
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// Cuts at each punctuation character.
struct Punctuation {
  static constexpr const char* kType = "Punctuation";
  SplitBehavior behavior = SplitBehavior::isolated;
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// Numbers are words, or each of their characters is.
struct Digits {
  static constexpr const char* kType = "Digits";
  bool individual_digits = false;
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// A character separates words.
struct CharDelimiterSplit {
  static constexpr const char* kType = "CharDelimiterSplit";
  char32_t delimiter = U' ';
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// Cuts where the pattern is, or with `invert` where it is not.
struct Split {
  static constexpr const char* kType = "Split";
  Pattern pattern;
  SplitBehavior behavior = SplitBehavior::removed;
  bool invert = false;
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// Words are of `length` characters, the last one of what is left.
struct FixedLength {
  static constexpr const char* kType = "FixedLength";
  std::size_t length = 5;
  void split(std::string_view text, std::vector<Word>& words) const;
};

/// Cuts where the script changes, as SentencePiece sees scripts: the Japanese ones are one, spaces are of any. As in
/// the tokenizers library, spaces at the beginning of a text belong to no word.
struct UnicodeScripts {
  static constexpr const char* kType = "UnicodeScripts";
  void split(std::string_view text, std::vector<Word>& words) const;
};

enum class PrependScheme { always, first, never };

inline constexpr Name<PrependScheme> kPrependSchemes[] = {
    {PrependScheme::always, "always"}, {PrependScheme::first, "first"}, {PrependScheme::never, "never"}};

/// Spaces become `replacement`, and a text that does not begin with it gets one in front: always, or where it begins
/// the whole input. Words are cut before each.
struct Metaspace {
  static constexpr const char* kType = "Metaspace";
  char32_t replacement = U'\u2581';
  PrependScheme prepend_scheme = PrependScheme::always;
  bool split_words = true;

  bool rewrites(TextView text) const;
  void rewrite(TextView text, NormalizedText& out) const;
  void split(std::string_view text, std::vector<Word>& words) const;

 private:
  bool prepends(TextView text) const;
};

}  // namespace octavo
