// How are UTF-8 bytes read as code points, and written?
#pragma once

#include <string>
#include <string_view>

namespace octavo {

inline constexpr char32_t kReplacementCharacter = 0xfffd;

struct CodePoint {
  char32_t value;
  int bytes;  ///< how many bytes of the text it took, at least 1
};

/// The first code point of a non-empty text. Ill-formed UTF-8 gives U+FFFD for each maximal subpart: the longest start
/// of a well-formed sequence, or one byte.
inline CodePoint first_code_point(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const int length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
  if (length == 1) return {kReplacementCharacter, 1};
  // The second byte's range excludes overlong forms, surrogates and values above U+10FFFF.
  unsigned smallest = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned largest = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  char32_t value = lead & (0x7fu >> length);
  for (int i = 1; i < length; ++i) {
    const std::size_t at = static_cast<std::size_t>(i);
    if (at >= text.size() || byte(at) < smallest || byte(at) > largest) return {kReplacementCharacter, i};
    value = value << 6 | (byte(at) & 0x3f);
    smallest = 0x80, largest = 0xbf;
  }
  return {value, length};
}

/// The code point that ends before byte `end` > 0 of a text; U+FFFD for an ill-formed byte.
inline CodePoint last_code_point(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && end - begin < 4 && (text[begin] & 0xc0) == 0x80) --begin;
  const CodePoint c = first_code_point(text.substr(begin, end - begin));
  return c.bytes == static_cast<int>(end - begin) ? c : CodePoint{kReplacementCharacter, 1};
}

/// Writes a code point's UTF-8 and returns its length, at most 4.
inline int write_utf8(char32_t c, char* out) {
  if (c < 0x80) return out[0] = static_cast<char>(c), 1;
  const int length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  for (int i = length - 1; i > 0; --i, c >>= 6) out[i] = static_cast<char>(0x80 | (c & 0x3f));
  out[0] = static_cast<char>((0xf00u >> length & 0xff) | c);
  return length;
}

}  // namespace octavo
