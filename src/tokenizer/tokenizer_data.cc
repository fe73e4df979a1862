#include "tokenizer/tokenizer_data.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {
namespace {

std::vector<AddedToken> select(const std::vector<AddedToken>& tokens, bool normalized_ones,
                               const Normalizer& normalizer, const std::string& where) {
  std::vector<AddedToken> result;
  for (AddedToken token : tokens) {
    if (token.normalized != normalized_ones) continue;
    if (normalized_ones) token.content = normalizer.normalized(token.content);
    if (token.content.empty()) {
      throw Error(where + ": added token " + std::to_string(token.id) + " is empty, expected text");
    }
    result.push_back(std::move(token));
  }
  return result;
}

using Model = std::variant<WordPiece, Bpe, Unigram>;

// The model's vocabulary and the tokens that were added to it, where the tokenizers library would number them.
std::vector<std::string> complete_vocabulary(std::vector<std::string> vocabulary, std::size_t holes, const Model& model,
                                             const std::vector<AddedToken>& added, const std::string& where) {
  const std::size_t model_count = vocabulary.size() - holes;
  std::size_t next = model_count;
  for (const AddedToken& token : added) {
    const auto id = static_cast<std::size_t>(token.id);
    const std::int32_t model_id = std::visit([&](const auto& m) { return m.id(token.content); }, model);
    const bool is_known = id < vocabulary.size() && vocabulary[id] == token.content;
    const bool is_free = id == vocabulary.size() || (id < vocabulary.size() && vocabulary[id].empty());
    const bool is_next = id == next && is_free && model_id < 0;
    if (is_next) {
      next = id + 1;
      vocabulary.resize(std::max(vocabulary.size(), next));
      vocabulary[id] = token.content;
    }
    if (is_next || is_known) continue;
    const std::size_t expected = model_id >= 0 ? static_cast<std::size_t>(model_id) : next;
    throw Error(where + ": added token \"" + token.content + "\" has id " + std::to_string(id) + ", expected " +
                std::to_string(expected) + " after " + std::to_string(model_count) + " tokens of the model" +
                (id == expected ? ", but another token has it" : ""));
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

Model make_model(const TokenizerParts& parts, const std::string& where) {
  if (const auto* bpe = std::get_if<Bpe::Options>(&parts.model)) {
    const bool is_marked = !bpe->continuing_subword_prefix.empty() || !bpe->end_of_word_suffix.empty();
    const bool reads_bytes = ends_in_byte_level(parts.pre_tokenizer) && !is_marked;
    const auto alphabet = reads_bytes ? Bpe::Alphabet::bytes : Bpe::Alphabet::characters;
    return Model(std::in_place_type<Bpe>, parts.vocabulary, *bpe, alphabet, where);
  }
  if (const auto* unigram = std::get_if<Unigram::Options>(&parts.model)) {
    return Model(std::in_place_type<Unigram>, parts.vocabulary, *unigram, where);
  }
  return Model(std::in_place_type<WordPiece>, parts.vocabulary, std::get<WordPiece::Options>(parts.model), where);
}

bool reads_bytes(const Model& model) {
  const auto* bpe = std::get_if<Bpe>(&model);
  return bpe && bpe->alphabet() == Bpe::Alphabet::bytes;
}

// How text is put together where the file does not say.
std::vector<DecoderStep> default_decoder(const Model& model) {
  if (reads_bytes(model)) return {ByteLevel()};
  const auto* words = std::get_if<WordPiece>(&model);
  if (!words || words->options().continuing_subword_prefix.empty()) return {};
  return {WordPieceDecoder{.prefix = words->options().continuing_subword_prefix}};
}

std::int32_t find_token(const std::vector<std::string>& vocabulary, std::string_view token) {
  const auto found = std::ranges::find(vocabulary, token);
  return found == vocabulary.end() ? -1 : static_cast<std::int32_t>(found - vocabulary.begin());
}

std::int32_t find_mask(const std::vector<std::string>& vocabulary, const std::string& named, const std::string& where) {
  if (named.empty()) return usual_mask(vocabulary);
  const std::int32_t id = find_token(vocabulary, named);
  if (id < 0) throw Error(where + ": mask_token is \"" + named + "\", expected a token of the vocabulary");
  return id;
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

std::int32_t usual_mask(const std::vector<std::string>& vocabulary) {
  const std::int32_t id = find_token(vocabulary, "[MASK]");
  return id >= 0 ? id : find_token(vocabulary, "<mask>");
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

TokenTemplate roberta_template(std::int32_t cls, std::int32_t sep) { return single_template(cls, sep); }

TokenTemplate roberta_pair_template(std::int32_t cls, std::int32_t sep) {
  TokenTemplate result = single_template(cls, sep);
  result.parts.push_back({.id = sep});
  result.parts.push_back({.source = TokenTemplate::Source::second_text});
  result.parts.push_back({.id = sep});
  return result;
}

Tokenizer::Data::Data(TokenizerParts parts, const std::string& where)
    : normalizer(std::move(parts.normalizer)),
      model(make_model(parts, where)),
      splitter(std::move(parts.pre_tokenizer), reads_bytes(model)),
      model_size(parts.vocabulary.size()),
      vocabulary(complete_vocabulary(std::move(parts.vocabulary), parts.holes, model, parts.added_tokens, where)),
      kinds(find_kinds(vocabulary.size(), parts.added_tokens)),
      added_tokens(std::move(parts.added_tokens)),
      added_raw(select(added_tokens, false, normalizer, where)),
      added_normalized(select(added_tokens, true, normalizer, where)),
      single(std::move(parts.single)),
      pair(std::move(parts.pair)),
      mask_id(find_mask(vocabulary, parts.mask_token, where)),
      trimming(parts.trimming),
      decoder_steps(std::move(parts.decoder)),
      decoder(decoder_steps ? *decoder_steps : default_decoder(model)),
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
