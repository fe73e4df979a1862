// What is a tokenizer made of, whichever file it came from?
#pragma once

#include "tokenizer/added_tokens.h"
#include "tokenizer/bert_normalizer.h"
#include "tokenizer/bpe.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/wordpiece.h"

#include "octavo/tokenizer.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace octavo {

/// How the tokens of the texts and special tokens follow each other.
struct TokenTemplate {
  enum class Source { special, first_text, second_text };
  struct Part {
    Source source = Source::special;
    std::int32_t type_id = 0;
    std::int32_t id = 0;  ///< of a special token
    bool operator==(const Part&) const = default;
  };
  std::vector<Part> parts;

  bool operator==(const TokenTemplate&) const = default;

  int special_count() const;  ///< how many special tokens it adds
};

/// The texts alone: A, and A B with types 0 and 1.
TokenTemplate single_template();
TokenTemplate pair_template();

/// [CLS] A [SEP] and [CLS] A [SEP] B [SEP], the last two of type 1.
TokenTemplate single_template(std::int32_t cls, std::int32_t sep);
TokenTemplate pair_template(std::int32_t cls, std::int32_t sep);

using PreTokenizer = std::variant<BertPreTokenizer, ByteLevel>;

/// The parts as files give them.
struct TokenizerParts {
  BertNormalizer::Options normalizer = {};
  PreTokenizer pre_tokenizer = {};           ///< ByteLevel with BPE and only there
  std::vector<std::string> vocabulary = {};  ///< by id, of the model alone
  std::variant<WordPiece::Options, Bpe::Options> model = {};
  std::vector<AddedToken> added_tokens = {};  ///< ids of the vocabulary, or those that follow it one by one
  TokenTemplate single = {}, pair = {};
  bool keeps_first_space = false;          ///< of trim_offsets: a first token keeps one space
  bool trim_offsets = false;               ///< spans without the spaces at their ends
  std::vector<std::string> warnings = {};  ///< what Tokenizer::warnings() gives
};

/// Whether a token belongs to the model, was added to it, or is special: added as such, or put around texts.
enum class TokenKind : std::uint8_t { model, added, special };

struct Tokenizer::Data {
  /// `where` stands in messages. Throws Error when the parts do not fit together.
  Data(TokenizerParts parts, const std::string& where);

  BertNormalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::variant<WordPiece, Bpe> model;
  std::size_t model_size;               // tokens of the model; what follows in the vocabulary was added
  std::vector<std::string> vocabulary;  // by id
  std::vector<TokenKind> kinds;         // by id
  std::vector<AddedToken> added_tokens;
  AddedTokenFinder added_raw, added_normalized;
  TokenTemplate single, pair;
  bool trim_offsets, keeps_first_space;
  std::vector<std::string> warnings;
};

/// Normalized text as added tokens with `normalized` are compared with it.
std::string normalized(const BertNormalizer& normalizer, std::string_view text);

}  // namespace octavo
