#include "tokenizer/unicode/normalized_text.h"

#include "tokenizer/unicode/utf8.h"

#include <algorithm>

namespace octavo {
namespace {

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

void NormalizedText::append_well_formed(std::string_view text, std::int32_t offset) {
  std::size_t kept = 0;  // what is behind has been appended
  const auto position = [&](std::size_t i) { return offset + static_cast<std::int32_t>(i); };
  for (std::size_t at = 0; at < text.size();) {
    if (static_cast<unsigned char>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const CodePoint c = first_code_point(text.substr(at));
    const std::size_t end = at + static_cast<std::size_t>(c.bytes);
    if (c.value == kReplacementCharacter && text.substr(at, end - at) != kReplacementBytes) {
      append_bytes(text.substr(kept, at - kept), position(kept));
      append(kReplacementCharacter, {position(at), position(end)});
      kept = end;
    }
    at = end;
  }
  append_bytes(text.substr(kept), position(kept));
}

void NormalizedText::append(std::string_view bytes, const ByteRange* spans) {
  reserve_more(bytes.size());
  std::copy(bytes.begin(), bytes.end(), end_bytes());
  std::copy_n(spans, bytes.size(), end_spans());
  advance(bytes.size());
}

void NormalizedText::append(std::string_view bytes, ByteRange from) {
  reserve_more(bytes.size());
  std::copy(bytes.begin(), bytes.end(), end_bytes());
  std::fill_n(end_spans(), bytes.size(), from);
  advance(bytes.size());
}

void NormalizedText::append(char32_t c, ByteRange from) {
  reserve_more(kMaxUtf8);
  const int length = write_utf8(c, end_bytes());
  std::fill_n(end_spans(), length, from);
  advance(static_cast<std::size_t>(length));
}

// The span of the next old character, which is then behind; that of the last one when there is none left.
ByteRange TextRewriter::take() {
  if (at_ == from_.bytes.size()) return before_;
  const std::size_t end = at_ + static_cast<std::size_t>(first_code_point(from_.bytes.substr(at_)).bytes);
  before_ = from_.span(at_, end);
  at_ = end;
  return before_;
}

void TextRewriter::flush() {
  if (!is_pending_) return;
  is_pending_ = false;
  if (change_ > 0) {
    if (at_ == 0 && !from_.bytes.empty()) before_ = {from_.spans[0].begin, from_.spans[0].begin};
    return to_.append(c_, before_);
  }
  to_.append(c_, take());
  for (; change_ < 0; ++change_) take();
}

void TextRewriter::keep_ascii(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  flush();
  if (at_ != begin) {
    for (std::size_t i = begin; i < end; ++i) put(static_cast<unsigned char>(from_.bytes[i]), 0);
    return;
  }
  to_.append(from_.part(begin, end));
  at_ = end;
  before_ = from_.spans[end - 1];
}

}  // namespace octavo
