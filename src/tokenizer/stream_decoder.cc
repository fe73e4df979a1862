// Token ids to text, token by token.
#include "tokenizer/tokenizer_data.h"

#include "octavo/tokenizer.h"

#include <utility>

namespace octavo {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

}  // namespace

std::string Tokenizer::decode(std::span<const std::int32_t> ids, DecodeOptions options) const {
  StreamDecoder decoder(*this, options);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

StreamDecoder::StreamDecoder(Tokenizer tokenizer, DecodeOptions options)
    : tokenizer_(std::move(tokenizer)), options_(options), states_(tokenizer_.data_->decoder.start()) {}

std::string StreamDecoder::push(std::int32_t id) {
  const Tokenizer::Data& data = *tokenizer_.data_;
  const auto index = static_cast<std::size_t>(id);
  const bool has_token = id >= 0 && index < data.vocabulary.size() && !data.vocabulary[index].empty();
  const TokenKind kind = has_token ? data.kinds[index] : TokenKind::added;
  if (kind == TokenKind::special && options_.skip_special_tokens) return "";
  const std::string_view token = has_token ? std::string_view(data.vocabulary[index]) : kReplacement;
  return data.decoder.push(std::string(token), kind != TokenKind::model, states_);
}

std::string StreamDecoder::finish() { return tokenizer_.data_->decoder.finish(states_); }

}  // namespace octavo
