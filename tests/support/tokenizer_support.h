// A small tokenizer.json that tests of the tokenizer change and break, and what they ask of a tokenizer.
#pragma once

#include "tests/support/support.h"

#include "octavo/error.h"
#include "octavo/tokenizer.h"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace octavo::test {

/// The tokens of small_tokenizer(), by id.
inline std::vector<std::string> small_vocabulary() {
  return {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",      "b",  "c",  "##a",  "##b",      "##c",    "e",
          "é",     "E",     "É",     "un",    "##aff",  "##able", "北", "京", "##京", "\ufffd",   "!",      "hello",
          "Hello", "[",     "]",     "mask",  "x",      "##x",    "ß",  "я",  "##я",  "##\ufffd", "##\x01", "##!"};
}

inline nlohmann::json vocabulary_json(const std::vector<std::string>& tokens) {
  nlohmann::json result = nlohmann::json::object();
  for (std::size_t i = 0; i < tokens.size(); ++i) result[tokens[i]] = i;
  return result;
}

/// Of BERT's form: all steps of the normalizer, [MASK] is an added token.
inline nlohmann::json small_tokenizer() {
  return nlohmann::json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", nlohmann::json::parse(R"([{"id": 4, "content": "[MASK]", "single_word": false, "lstrip": false,
           "rstrip": false, "normalized": false, "special": true}])")},
      {"normalizer", nlohmann::json::parse(R"({"type": "BertNormalizer", "clean_text": true,
           "handle_chinese_chars": true, "strip_accents": null, "lowercase": true})")},
      {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
      {"post_processor", nlohmann::json::parse(R"({"type": "TemplateProcessing",
           "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                      {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
           "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                    {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
           "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                              "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}})")},
      {"decoder", nullptr},
      {"model",
       {{"type", "WordPiece"},
        {"unk_token", "[UNK]"},
        {"continuing_subword_prefix", "##"},
        {"max_input_chars_per_word", 100},
        {"vocab", vocabulary_json(small_vocabulary())}}}};
}

inline Tokenizer open_tokenizer(const nlohmann::json& file) { return Tokenizer::from_json(file.dump(), "t.json"); }

/// small_tokenizer() with one value replaced or added.
inline Tokenizer small_tokenizer_with(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json file = small_tokenizer();
  file[nlohmann::json::json_pointer(pointer)] = value;
  return open_tokenizer(file);
}

/// A token of a text, and where it comes from.
struct Piece {
  std::string token;
  Span span;
  bool operator==(const Piece&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const Piece& piece) {
  return out << piece.token << " [" << piece.span.begin << ", " << piece.span.end << ")";
}

inline std::vector<Piece> pieces(const Tokenizer& tokenizer, const Tokens& tokens) {
  REQUIRE(tokens.offsets.size() == tokens.ids.size());
  REQUIRE(tokens.type_ids.size() == tokens.ids.size());
  std::vector<Piece> result;
  for (std::size_t i = 0; i < tokens.ids.size(); ++i) {
    result.push_back({std::string(tokenizer.token(tokens.ids[i])), tokens.offsets[i]});
  }
  return result;
}

inline std::vector<Piece> pieces(const Tokenizer& tokenizer, std::string_view text) {
  return pieces(tokenizer, tokenizer.encode(text));
}

/// The tokens of a text with a space between them, without the special ones around them.
inline std::string words(const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<Piece> all = pieces(tokenizer, text);
  REQUIRE(all.size() >= 2);
  std::string result;
  for (std::size_t i = 1; i + 1 < all.size(); ++i) result += (i > 1 ? " " : "") + all[i].token;
  return result;
}

/// The message of the Error that the statement throws.
std::string refusal(const auto& statement) {
  try {
    statement();
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

}  // namespace octavo::test
