#include "tokenizer/tokenizer_data.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {
namespace {

std::vector<AddedToken> select(const std::vector<AddedToken>& tokens, bool normalized_ones,
                               const BertNormalizer& normalizer, const std::string& where) {
  std::vector<AddedToken> result;
  for (AddedToken token : tokens) {
    if (token.normalized != normalized_ones) continue;
    if (normalized_ones) token.content = normalized(normalizer, token.content);
    if (token.content.empty()) {
      throw Error(where + ": added token " + std::to_string(token.id) + " is empty, expected text");
    }
    result.push_back(std::move(token));
  }
  return result;
}

// The model's vocabulary and the tokens that were added to it.
std::vector<std::string> complete_vocabulary(std::vector<std::string> vocabulary,
                                             const std::variant<WordPiece, Bpe>& model,
                                             const std::vector<AddedToken>& added, const std::string& where) {
  const std::size_t model_size = vocabulary.size();
  for (const AddedToken& token : added) {
    const auto id = static_cast<std::size_t>(token.id);
    const std::int32_t model_id = std::visit([&](const auto& m) { return m.id(token.content); }, model);
    const bool is_known = id < vocabulary.size() && vocabulary[id] == token.content;
    const bool is_next = id == vocabulary.size() && model_id < 0;
    if (is_next) vocabulary.push_back(token.content);
    if (is_next || is_known) continue;
    const std::size_t expected = model_id >= 0 ? static_cast<std::size_t>(model_id) : vocabulary.size();
    throw Error(where + ": added token \"" + token.content + "\" has id " + std::to_string(id) + ", expected " +
                std::to_string(expected) + " after " + std::to_string(model_size) + " tokens of the model");
  }
  return vocabulary;
}

std::vector<TokenKind> find_kinds(std::size_t vocabulary_size, const std::vector<AddedToken>& added) {
  std::vector<TokenKind> kinds(vocabulary_size, TokenKind::model);
  for (const AddedToken& token : added) {
    kinds[static_cast<std::size_t>(token.id)] = token.special ? TokenKind::special : TokenKind::added;
  }
  return kinds;
}

std::variant<WordPiece, Bpe> make_model(const TokenizerParts& parts, const std::string& where) {
  if (const auto* options = std::get_if<Bpe::Options>(&parts.model)) return Bpe(parts.vocabulary, *options, where);
  return WordPiece(parts.vocabulary, std::get<WordPiece::Options>(parts.model), where);
}

void check_template(const TokenTemplate& tokens, bool is_pair, std::size_t vocabulary_size, const std::string& where) {
  int first = 0, second = 0;
  for (const TokenTemplate::Part& part : tokens.parts) {
    first += part.source == TokenTemplate::Source::first_text;
    second += part.source == TokenTemplate::Source::second_text;
    if (static_cast<std::size_t>(part.id) >= vocabulary_size) {
      throw Error(where + ": post_processor has the special token id " + std::to_string(part.id) + ", expected 0 to " +
                  std::to_string(vocabulary_size - 1));
    }
  }
  if (first != 1 || second != (is_pair ? 1 : 0)) {
    throw Error(where + ": post_processor has sequence A " + std::to_string(first) + " times and B " +
                std::to_string(second) + " times for " +
                (is_pair ? "a pair, expected each once" : "one text, expected A once"));
  }
}

}  // namespace

std::string normalized(const BertNormalizer& normalizer, std::string_view text) {
  NormalizedText result;
  normalizer.normalize(text, 0, result);
  return std::string(result.bytes());
}

int TokenTemplate::special_count() const {
  const auto is_special = [](const Part& part) { return part.source == Source::special; };
  return static_cast<int>(std::count_if(parts.begin(), parts.end(), is_special));
}

TokenTemplate single_template() { return {{{.source = TokenTemplate::Source::first_text}}}; }

TokenTemplate pair_template() {
  TokenTemplate result = single_template();
  result.parts.push_back({.source = TokenTemplate::Source::second_text, .type_id = 1});
  return result;
}

TokenTemplate single_template(std::int32_t cls, std::int32_t sep) {
  using Source = TokenTemplate::Source;
  return {{{.id = cls}, {.source = Source::first_text}, {.id = sep}}};
}

TokenTemplate pair_template(std::int32_t cls, std::int32_t sep) {
  TokenTemplate result = single_template(cls, sep);
  result.parts.push_back({.source = TokenTemplate::Source::second_text, .type_id = 1});
  result.parts.push_back({.type_id = 1, .id = sep});
  return result;
}

Tokenizer::Data::Data(TokenizerParts parts, const std::string& where)
    : normalizer(parts.normalizer),
      pre_tokenizer(parts.pre_tokenizer),
      model(make_model(parts, where)),
      model_size(parts.vocabulary.size()),
      vocabulary(complete_vocabulary(std::move(parts.vocabulary), model, parts.added_tokens, where)),
      kinds(find_kinds(vocabulary.size(), parts.added_tokens)),
      added_tokens(std::move(parts.added_tokens)),
      added_raw(select(added_tokens, false, normalizer, where)),
      added_normalized(select(added_tokens, true, normalizer, where)),
      single(std::move(parts.single)),
      pair(std::move(parts.pair)),
      trim_offsets(parts.trim_offsets),
      keeps_first_space(parts.keeps_first_space),
      warnings(std::move(parts.warnings)) {
  check_template(single, /*is_pair=*/false, vocabulary.size(), where);
  check_template(pair, /*is_pair=*/true, vocabulary.size(), where);
  for (const TokenTemplate* tokens : {&single, &pair}) {
    for (const TokenTemplate::Part& part : tokens->parts) {
      if (part.source == TokenTemplate::Source::special) kinds[static_cast<std::size_t>(part.id)] = TokenKind::special;
    }
  }
}

}  // namespace octavo
