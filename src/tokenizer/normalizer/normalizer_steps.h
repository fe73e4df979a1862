// The small steps of a normalizer: each appends a text's new form. Names and meanings are tokenizer.json's.
#pragma once

#include "tokenizer/unicode/normalized_text.h"
#include "tokenizer/unicode/pattern.h"

#include <string>

namespace octavo {

/// White space at the ends goes.
struct Strip {
  static constexpr const char* kType = "Strip";
  bool strip_left = true, strip_right = true;
  void apply(TextView text, NormalizedText& out) const;
};

/// Marks go (general category M).
struct StripAccents {
  static constexpr const char* kType = "StripAccents";
  void apply(TextView text, NormalizedText& out) const;
};

/// Lower case, character by character.
struct Lowercase {
  static constexpr const char* kType = "Lowercase";
  void apply(TextView text, NormalizedText& out) const;
};

/// Control characters go, other white space and a few more become spaces: SentencePiece's nmt rules.
struct Nmt {
  static constexpr const char* kType = "Nmt";
  void apply(TextView text, NormalizedText& out) const;
};

/// What the pattern finds becomes `content`.
struct Replace {
  static constexpr const char* kType = "Replace";
  Pattern pattern;
  std::string content;
  void apply(TextView text, NormalizedText& out) const;
};

/// A text that is not empty begins with `prepend`.
struct Prepend {
  static constexpr const char* kType = "Prepend";
  std::string prepend;
  void apply(TextView text, NormalizedText& out) const;
};

/// Each byte becomes the character that stands for it (byte_level_character).
struct ByteLevelCharacters {
  static constexpr const char* kType = "ByteLevel";
  void apply(TextView text, NormalizedText& out) const;
};

}  // namespace octavo
