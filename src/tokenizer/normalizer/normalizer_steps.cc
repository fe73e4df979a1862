#include "tokenizer/normalizer/normalizer_steps.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/byte_level.h"
#include "tokenizer/unicode/utf8.h"

namespace octavo {
namespace {

// Calls f(character, begin, end) for each character.
template <typename F>
void for_each_character(std::string_view text, const F& f) {
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = first_code_point(text.substr(at));
    const std::size_t end = at + static_cast<std::size_t>(c.bytes);
    f(c.value, at, end);
    at = end;
  }
}

bool is_dropped_by_nmt(char32_t c) {
  return (c >= 0x1 && c <= 0x8) || c == 0xb || (c >= 0xe && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
}

bool is_space_to_nmt(char32_t c) {
  switch (c) {
    case 0x9:
    case 0xa:
    case 0xc:
    case 0xd:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x2581:
    case 0xfeff:
    case 0xfffd:
      return true;
    default:
      return c >= 0x200b && c <= 0x200f;
  }
}

}  // namespace

void Strip::apply(TextView text, NormalizedText& out) const {
  std::size_t begin = 0, end = text.bytes.size();
  while (strip_left && begin < end) {
    const CodePoint c = first_code_point(text.bytes.substr(begin));
    if (!is_white_space(c.value)) break;
    begin += static_cast<std::size_t>(c.bytes);
  }
  while (strip_right && begin < end) {
    const CodePoint c = last_code_point(text.bytes, end);
    if (!is_white_space(c.value)) break;
    end -= static_cast<std::size_t>(c.bytes);
  }
  out.append(text.part(begin, end));
}

void StripAccents::apply(TextView text, NormalizedText& out) const {
  std::size_t kept = 0;  // what is behind has been appended or goes
  for_each_character(text.bytes, [&](char32_t c, std::size_t begin, std::size_t end) {
    if (!is_mark(c)) return;
    out.append(text.part(kept, begin));
    kept = end;
  });
  out.append(text.part(kept, text.bytes.size()));
}

void Lowercase::apply(TextView text, NormalizedText& out) const {
  for_each_character(text.bytes, [&](char32_t c, std::size_t begin, std::size_t end) {
    if (c < 0x80) return out.append(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c, text.spans[begin]);
    char32_t parts[kMaxLowercase];
    const int count = lowercase(c, parts);
    for (int i = 0; i < count; ++i) out.append(parts[i], text.span(begin, end));
  });
}

void Nmt::apply(TextView text, NormalizedText& out) const {
  for_each_character(text.bytes, [&](char32_t c, std::size_t begin, std::size_t end) {
    if (!is_dropped_by_nmt(c)) out.append(is_space_to_nmt(c) ? U' ' : c, text.span(begin, end));
  });
}

void Replace::apply(TextView text, NormalizedText& out) const {
  std::vector<PatternMatch> parts;
  pattern.find(text.bytes, parts);
  for (const PatternMatch& part : parts) {
    if (!part.is_match) {
      out.append(text.part(part.begin, part.end));
      continue;
    }
    // It comes from the last character before its end.
    ByteRange from = {};
    if (part.end > 0) {
      const auto last = static_cast<std::size_t>(last_code_point(text.bytes, part.end).bytes);
      from = text.span(part.end - last, part.end);
    } else if (!text.bytes.empty()) {
      from = {text.spans[0].begin, text.spans[0].begin};
    }
    out.append(content, from);
  }
}

void Prepend::apply(TextView text, NormalizedText& out) const {
  if (text.bytes.empty()) return;
  out.append(prepend, text.span(0, static_cast<std::size_t>(first_code_point(text.bytes).bytes)));
  out.append(text);
}

void ByteLevelCharacters::apply(TextView text, NormalizedText& out) const {
  for (std::size_t i = 0; i < text.bytes.size(); ++i) {
    out.append(byte_level_character(static_cast<unsigned char>(text.bytes[i])), text.spans[i]);
  }
}

}  // namespace octavo
