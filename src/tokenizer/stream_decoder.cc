// Token ids to text. Bytes of BPE tokens become characters only together.
#include "tokenizer/byte_level.h"
#include "tokenizer/tokenizer_data.h"
#include "tokenizer/utf8.h"

#include "octavo/tokenizer.h"

#include <algorithm>
#include <utility>

namespace octavo {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// How many bytes at the end are the beginning of a character that more bytes can complete.
std::size_t incomplete_bytes(std::string_view text) {
  for (std::size_t count = 1; count <= std::min<std::size_t>(text.size(), 3); ++count) {
    const std::string_view end = text.substr(text.size() - count);
    const auto lead = static_cast<unsigned char>(end[0]);
    if ((lead & 0xc0) == 0x80) continue;
    const std::size_t length = lead < 0xc2 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 1;
    return length > count && static_cast<std::size_t>(first_code_point(end).bytes) == count ? count : 0;
  }
  return 0;
}

// The text with U+FFFD for each ill-formed part.
std::string well_formed(std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint c = first_code_point(text.substr(at));
    const auto bytes = static_cast<std::size_t>(c.bytes);
    result += c.value == kReplacementCharacter ? kReplacement : text.substr(at, bytes);
    at += bytes;
  }
  return result;
}

// What a token adds to a text.
std::string text_of(const WordPiece& model, std::string_view token, TokenKind kind, bool is_first) {
  const std::string& prefix = model.options().continuing_subword_prefix;
  if (is_first) return std::string(token);
  if (kind == TokenKind::model && !prefix.empty() && token.starts_with(prefix)) {
    return std::string(token.substr(prefix.size()));
  }
  const bool is_mark = !token.empty() && std::string_view(".,?!").find(token[0]) != std::string_view::npos;
  return (is_mark ? "" : " ") + std::string(token);
}

std::string text_of(const Bpe&, std::string_view token, TokenKind kind, bool) {
  return kind == TokenKind::model ? byte_level_bytes(token) : std::string(token);
}

}  // namespace

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeOptions options) const {
  StreamDecoder decoder(*this, options);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

StreamDecoder::StreamDecoder(Tokenizer tokenizer, DecodeOptions options)
    : tokenizer_(std::move(tokenizer)), options_(options) {}

std::string StreamDecoder::push(std::int32_t id) {
  const Tokenizer::Data& data = *tokenizer_.data_;
  const auto index = static_cast<std::size_t>(id);
  const bool has_token = id >= 0 && index < data.vocabulary.size();
  const TokenKind kind = has_token ? data.kinds[index] : TokenKind::added;
  if (kind == TokenKind::special && options_.skip_special_tokens) return "";
  const std::string_view token = has_token ? std::string_view(data.vocabulary[index]) : kReplacement;
  std::string text = std::move(incomplete_);
  text += std::visit([&](const auto& model) { return text_of(model, token, kind, is_first_); }, data.model);
  is_first_ = false;
  const std::size_t complete = text.size() - incomplete_bytes(text);
  incomplete_ = text.substr(complete);
  text.resize(complete);
  return well_formed(text);
}

std::string StreamDecoder::finish() {
  is_first_ = true;
  return std::exchange(incomplete_, {}).empty() ? "" : std::string(kReplacement);
}

}  // namespace octavo
