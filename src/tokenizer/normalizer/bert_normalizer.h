// What does BERT do to a text before it looks for words?
#pragma once

#include "tokenizer/unicode/normalized_text.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace octavo {

/// The steps of tokenizer.json's BertNormalizer in their order. Immutable.
class BertNormalizer {
 public:
  static constexpr const char* kType = "BertNormalizer";

  struct Options {
    bool clean_text = false;            ///< drop control characters and U+FFFD; white space becomes a space
    bool handle_chinese_chars = false;  ///< a space on both sides of each ideograph
    bool strip_accents = false;         ///< decompose (NFD), then drop nonspacing marks
    bool lowercase = false;             ///< character by character
    bool operator==(const Options&) const = default;
  };

  BertNormalizer() : BertNormalizer(Options()) {}
  explicit BertNormalizer(Options options);
  const Options& options() const { return options_; }

  /// Appends the normalized text, well-formed UTF-8. Spans count from `offset` at the text's first byte. Without any of
  /// the options each byte is kept and has a span of its own; ill-formed ones become U+FFFD all the same.
  ///
  /// Combining marks that stay are not put into canonical order: all but 30 or so of the marks that have a place in it
  /// are nonspacing, and those are dropped.
  void normalize(std::string_view text, std::int32_t offset, NormalizedText& out) const;

  /// The same of a text that has been rewritten.
  void apply(TextView text, NormalizedText& out) const;

 private:
  bool is_identity() const;
  void append_ascii(std::string_view text, std::int32_t offset, NormalizedText& out) const;
  void append_character(char32_t c, ByteRange from, NormalizedText& out) const;
  void append_lowercase(char32_t c, ByteRange from, NormalizedText& out) const;

  Options options_;
  std::array<char, 128> ascii_;  // what an ASCII character becomes; kDropped when nothing
};

}  // namespace octavo
