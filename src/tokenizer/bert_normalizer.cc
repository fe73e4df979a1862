#include "tokenizer/bert_normalizer.h"

#include "tokenizer/bert_unicode.h"
#include "tokenizer/utf8.h"

#include <algorithm>

namespace octavo {
namespace {

constexpr char kDropped = '\x80';  // no ASCII character becomes this byte
constexpr std::size_t kMaxUtf8 = 4;
constexpr std::string_view kReplacementBytes = "\xef\xbf\xbd";

}  // namespace

void NormalizedText::reserve_more(std::size_t count) {
  if (bytes_.size() - size_ >= count) return;
  const std::size_t capacity = std::max(size_ + count, 2 * bytes_.size());
  bytes_.resize(capacity);
  spans_.resize(capacity);
}

void NormalizedText::append_bytes(std::string_view text, std::int32_t offset) {
  reserve_more(text.size());
  std::copy(text.begin(), text.end(), end_bytes());
  ByteRange* spans = end_spans();
  for (std::size_t i = 0; i < text.size(); ++i, ++offset) spans[i] = {offset, offset + 1};
  advance(text.size());
}

void NormalizedText::append(std::string_view bytes, const ByteRange* spans) {
  reserve_more(bytes.size());
  std::copy(bytes.begin(), bytes.end(), end_bytes());
  std::copy_n(spans, bytes.size(), end_spans());
  advance(bytes.size());
}

void NormalizedText::append(char32_t c, ByteRange from) {
  reserve_more(kMaxUtf8);
  const int length = write_utf8(c, end_bytes());
  std::fill_n(end_spans(), length, from);
  advance(static_cast<std::size_t>(length));
}

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
  std::size_t at = 0;
  const bool keep = is_identity();
  const auto is_ascii = [&](std::size_t i) { return static_cast<unsigned char>(text[i]) < 0x80; };
  const auto position = [&](std::size_t i) { return offset + static_cast<std::int32_t>(i); };
  while (at < text.size()) {
    std::size_t end = at;
    while (end < text.size() && is_ascii(end)) ++end;
    if (keep) {
      out.append_bytes(text.substr(at, end - at), position(at));
    } else {
      append_ascii(text.substr(at, end - at), position(at), out);
    }
    for (at = end; at < text.size() && !is_ascii(at); at = end) {
      const CodePoint c = first_code_point(text.substr(at));
      end = at + static_cast<std::size_t>(c.bytes);
      const std::string_view bytes = text.substr(at, static_cast<std::size_t>(c.bytes));
      if (keep && (c.value != kReplacementCharacter || bytes == kReplacementBytes)) {
        out.append_bytes(bytes, position(at));
      } else {
        append_character(c.value, {position(at), position(end)}, out);
      }
    }
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
