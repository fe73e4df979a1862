// A text on its way to tokens: UTF-8 that steps rewrite, and where in the input each of its bytes came from.
#pragma once

#include "octavo/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace octavo {

/// Well-formed UTF-8 and a span of the input for each of its bytes, which somebody else holds.
struct TextView {
  std::string_view bytes;
  const ByteRange* spans = nullptr;

  TextView part(std::size_t begin, std::size_t end) const { return {bytes.substr(begin, end - begin), spans + begin}; }

  /// Where bytes [begin, end) came from.
  ByteRange span(std::size_t begin, std::size_t end) const { return {spans[begin].begin, spans[end - 1].end}; }
};

/// Normalized UTF-8, and for each of its bytes the input bytes that its character came from.
class NormalizedText {
 public:
  std::string_view bytes() const { return {bytes_.data(), size_}; }
  const ByteRange* spans() const { return spans_.data(); }
  std::size_t size() const { return size_; }
  TextView view() const { return {bytes(), spans()}; }
  void clear() { size_ = 0; }

  void append(char32_t c, ByteRange from);

  /// Bytes and their spans.
  void append(std::string_view bytes, const ByteRange* spans);
  void append(TextView text) { append(text.bytes, text.spans); }

  /// Bytes that all come from one place.
  void append(std::string_view bytes, ByteRange from);

  /// Each byte with a span of its own, from `offset` on.
  void append_bytes(std::string_view text, std::int32_t offset);

  /// The same of any bytes: ill-formed UTF-8 becomes U+FFFD, one for each maximal subpart.
  void append_well_formed(std::string_view text, std::int32_t offset);

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

/// Writes a text anew character by character. Each says what it does to those of the old text, in order, as in the
/// tokenizers library (NormalizedString::transform): that is where it comes from.
class TextRewriter {
 public:
  /// Appends to `to`, until finish(); `from` must stay as it is.
  TextRewriter(TextView from, NormalizedText& to) : from_(from), to_(to) {}

  /// `change` 0: takes the place of the next old character; -n: the same, and n more old ones go; above 0: it is new,
  /// and comes from where the old one before it did.
  void put(char32_t c, int change) {
    flush();
    c_ = c, change_ = change, is_pending_ = true;
  }

  /// Lets `count` more old characters go behind the last one; none do where there is no last one.
  void drop(int count) {
    if (is_pending_) change_ -= count;
    for (; !is_pending_ && at_ > 0 && count > 0; --count) take();
  }

  /// Bytes [begin, end) of the old text as they are, each a character that takes the place of the next old one: itself,
  /// unless some that were dropped before the first one are still there.
  void keep_ascii(std::size_t begin, std::size_t end);

  /// Writes the last character.
  void finish() { flush(); }

 private:
  void flush();
  ByteRange take();

  TextView from_;
  NormalizedText& to_;
  std::size_t at_ = 0;  // the next old character
  ByteRange before_ = {};
  char32_t c_ = 0;
  int change_ = 0;
  bool is_pending_ = false;
};

}  // namespace octavo
