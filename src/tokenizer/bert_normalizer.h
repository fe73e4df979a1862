// What does BERT do to a text before it looks for words?
#pragma once

#include "octavo/tokenizer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace octavo {

/// Normalized UTF-8, and for each of its bytes the input bytes that its character came from.
class NormalizedText {
 public:
  std::string_view bytes() const { return {bytes_.data(), size_}; }
  const ByteRange* spans() const { return spans_.data(); }
  void clear() { size_ = 0; }

  void append(char32_t c, ByteRange from);

  /// Bytes and their spans.
  void append(std::string_view bytes, const ByteRange* spans);

  /// Each byte with a span of its own, from `offset` on.
  void append_bytes(std::string_view text, std::int32_t offset);

  /// Room for `count` more bytes, to be written at end_bytes() and end_spans() and counted with advance().
  void reserve_more(std::size_t count);
  char* end_bytes() { return bytes_.data() + size_; }
  ByteRange* end_spans() { return spans_.data() + size_; }
  void advance(std::size_t count) { size_ += count; }

 private:
  std::vector<char> bytes_;  // as long as ever needed, so that a text is written without being cleared first
  std::vector<ByteRange> spans_;
  std::size_t size_ = 0;
};

/// The steps of tokenizer.json's BertNormalizer in their order. Immutable.
class BertNormalizer {
 public:
  struct Options {
    bool clean_text = false;            ///< drop control characters and U+FFFD; white space becomes a space
    bool handle_chinese_chars = false;  ///< a space on both sides of each ideograph
    bool strip_accents = false;         ///< decompose (NFD), then drop nonspacing marks
    bool lowercase = false;             ///< character by character
    bool operator==(const Options&) const = default;
  };

  explicit BertNormalizer(Options options);
  const Options& options() const { return options_; }

  /// Appends the normalized text, well-formed UTF-8. Spans count from `offset` at the text's first byte. Without any of
  /// the options each byte is kept and has a span of its own; ill-formed ones become U+FFFD all the same.
  ///
  /// Combining marks that stay are not put into canonical order: all but 30 or so of the marks that have a place in it
  /// are nonspacing, and those are dropped.
  void normalize(std::string_view text, std::int32_t offset, NormalizedText& out) const;

 private:
  bool is_identity() const;
  void append_ascii(std::string_view text, std::int32_t offset, NormalizedText& out) const;
  void append_character(char32_t c, ByteRange from, NormalizedText& out) const;
  void append_lowercase(char32_t c, ByteRange from, NormalizedText& out) const;

  Options options_;
  std::array<char, 128> ascii_;  // what an ASCII character becomes; kDropped when nothing
};

}  // namespace octavo
