// What is a tokenizer made of, whichever file it came from?
#pragma once

#include "tokenizer/added_tokens.h"
#include "tokenizer/normalizer/normalizer.h"
#include "tokenizer/pre_tokenizer/word_splitter.h"
#include "tokenizer/subword/bpe.h"
#include "tokenizer/subword/unigram.h"
#include "tokenizer/subword/wordpiece.h"
#include "tokenizer/token_decoder.h"

#include "octavo/tokenizer.h"

#include <cstddef>
#include <cstdint>
#include <optional>
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

/// <s> A </s> and <s> A </s> </s> B </s>, all of type 0.
TokenTemplate roberta_template(std::int32_t cls, std::int32_t sep);
TokenTemplate roberta_pair_template(std::int32_t cls, std::int32_t sep);

/// What trims the spans of tokens that begin or end with spaces, as the tokenizers library's ByteLevel does it.
struct OffsetTrimming {
  bool is_on = false;
  bool keeps_first_space = false;  ///< a first token keeps a single space
  bool operator==(const OffsetTrimming&) const = default;
};

/// The parts as files give them.
struct TokenizerParts {
  std::vector<NormalizerStep> normalizer = {};
  std::vector<PreTokenizerStep> pre_tokenizer = {};
  std::vector<std::string> vocabulary = {};  ///< by id, of the model alone; "" where an id has no token
  std::size_t holes = 0;                     ///< such ids
  std::variant<WordPiece::Options, Bpe::Options, Unigram::Options> model = {};
  std::vector<AddedToken> added_tokens = {};  ///< ids of the vocabulary, or those that follow it one by one
  TokenTemplate single = {}, pair = {};
  OffsetTrimming trimming = {};
  std::optional<std::vector<DecoderStep>> decoder = {};  ///< nothing: what the model's vocabulary demands
  std::string mask_token = {};             ///< where settings name it, a token of the vocabulary or an added one
  std::vector<std::string> warnings = {};  ///< what Tokenizer::warnings() gives
};

/// Whether a token belongs to the model, was added to it, or is special: added as such, or put around texts.
enum class TokenKind : std::uint8_t { model, added, special };

struct Tokenizer::Data {
  /// `where` stands in messages. Throws Error when the parts do not fit together.
  Data(TokenizerParts parts, const std::string& where);

  Normalizer normalizer;
  std::variant<WordPiece, Bpe, Unigram> model;
  WordSplitter splitter;
  std::size_t model_size;               // ids of the model; what follows in the vocabulary was added
  std::vector<std::string> vocabulary;  // by id
  std::vector<TokenKind> kinds;         // by id
  std::vector<AddedToken> added_tokens;
  AddedTokenFinder added_raw, added_normalized;
  TokenTemplate single, pair;
  std::int32_t mask_id;  // -1 for none
  OffsetTrimming trimming;
  std::optional<std::vector<DecoderStep>> decoder_steps;  // as they were given
  TokenDecoder decoder;
  std::vector<std::string> warnings;
};

/// What stands for a hidden token where no settings say so: the id of [MASK], else of <mask>, else -1.
std::int32_t usual_mask(const std::vector<std::string>& vocabulary);

}  // namespace octavo
