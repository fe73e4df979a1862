#include "tokenizer/normalizer/bert_normalizer.h"

#include "tokenizer/unicode/bert_unicode.h"
#include "tokenizer/unicode/utf8.h"

namespace octavo {
namespace {

constexpr char kDropped = '\x80';  // no ASCII character becomes this byte

}  // namespace

BertNormalizer::BertNormalizer(Options options) : options_(options) {
  for (int i = 0; i < 128; ++i) {
    const char c = static_cast<char>(i);
    const auto code = static_cast<char32_t>(i);
    char& result = ascii_[static_cast<std::size_t>(i)];
    result = options_.lowercase && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    if (options_.clean_text && is_white_space(code)) result = ' ';
    if (options_.clean_text && is_dropped_by_clean_text(code)) result = kDropped;
  }
}

bool BertNormalizer::is_identity() const {
  return !options_.clean_text && !options_.handle_chinese_chars && !options_.strip_accents && !options_.lowercase;
}

void BertNormalizer::normalize(std::string_view text, std::int32_t offset, NormalizedText& out) const {
  if (is_identity()) return out.append_well_formed(text, offset);
  const auto is_ascii = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  const auto position = [&](std::size_t i) { return offset + static_cast<std::int32_t>(i); };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && is_ascii(end)) ++end;
    append_ascii(text.substr(at, end - at), position(at), out);
    for (at = end; at < text.size() && !is_ascii(at); at = end) {
      const CodePoint c = first_code_point(text.substr(at));
      end = at + static_cast<std::size_t>(c.bytes);
      append_character(c.value, {position(at), position(end)}, out);
    }
  }
}

void BertNormalizer::apply(TextView text, NormalizedText& out) const {
  if (is_identity()) return out.append(text);
  for (std::size_t at = 0, end = 0; at < text.bytes.size(); at = end) {
    const CodePoint c = first_code_point(text.bytes.substr(at));
    end = at + static_cast<std::size_t>(c.bytes);
    append_character(c.value, text.span(at, end), out);
  }
}

void BertNormalizer::append_ascii(std::string_view text, std::int32_t offset, NormalizedText& out) const {
  out.reserve_more(text.size());
  char* bytes = out.end_bytes();
  ByteRange* spans = out.end_spans();
  std::size_t count = 0;
  for (const char c : text) {  // without a branch: a dropped character is written over by the next
    bytes[count] = ascii_[static_cast<std::size_t>(c)];
    spans[count] = {offset, offset + 1};
    count += bytes[count] != kDropped;
    ++offset;
  }
  out.advance(count);
}

void BertNormalizer::append_character(char32_t c, ByteRange from, NormalizedText& out) const {
  if (options_.clean_text) {
    if (is_dropped_by_clean_text(c)) return;
    if (is_white_space(c)) return out.append(U' ', from);
  }
  const bool own_word = options_.handle_chinese_chars && is_cjk_ideograph(c);
  if (own_word) out.append(U' ', from);
  if (options_.strip_accents) {
    char32_t parts[kMaxDecomposition];
    const int count = decompose(c, parts);
    for (int i = 0; i < count; ++i) {
      if (!is_nonspacing_mark(parts[i])) append_lowercase(parts[i], from, out);
    }
  } else {
    append_lowercase(c, from, out);
  }
  if (own_word) out.append(U' ', from);
}

void BertNormalizer::append_lowercase(char32_t c, ByteRange from, NormalizedText& out) const {
  if (!options_.lowercase) return out.append(c, from);
  char32_t parts[kMaxLowercase];
  const int count = lowercase(c, parts);
  for (int i = 0; i < count; ++i) out.append(parts[i], from);
}

}  // namespace octavo
