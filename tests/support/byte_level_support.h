// A small byte-level BPE tokenizer that tests change and break.
#pragma once

#include "tests/support/tokenizer_support.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/utf8.h"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace octavo::test {

/// UTF-8 of the character that stands for a byte.
inline std::string byte_token(int byte) {
  char text[4];
  const int length = write_utf8(byte_level_character(static_cast<unsigned char>(byte)), text);
  return std::string(text, static_cast<std::size_t>(length));
}

/// Ids 0 to 255 are the bytes, 256 is </s>, then come what the merges of small_bpe() make.
inline std::vector<std::string> small_bpe_vocabulary() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(byte_token(byte));
  for (const char* token : {"</s>", "he", "ll", "llo", "hello", "Ġw", "aa", "aaaa", "'s", "12", "Ã©"}) {
    tokens.emplace_back(token);
  }
  return tokens;
}

inline std::vector<std::string> small_bpe_merges() {
  return {"h e", "l l", "ll o", "he llo", "Ġ w", "a a", "aa aa", "' s", "1 2", "Ã ©"};
}

/// Of OPT's form: </s> begins every text and is an added token.
inline nlohmann::json small_bpe() {
  return nlohmann::json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", nlohmann::json::parse(R"([{"id": 256, "content": "</s>", "single_word": false, "lstrip": false,
           "rstrip": false, "normalized": true, "special": true}])")},
      {"normalizer", nullptr},
      {"pre_tokenizer", nlohmann::json::parse(R"({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
           "use_regex": true})")},
      {"post_processor", nlohmann::json::parse(R"({"type": "TemplateProcessing",
           "single": [{"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
           "pair": [{"SpecialToken": {"id": "</s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 1}}],
           "special_tokens": {"</s>": {"id": "</s>", "ids": [256], "tokens": ["</s>"]}}})")},
      {"decoder", nlohmann::json::parse(R"({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
           "use_regex": true})")},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", nullptr},
        {"continuing_subword_prefix", ""},
        {"end_of_word_suffix", ""},
        {"fuse_unk", false},
        {"byte_fallback", false},
        {"ignore_merges", false},
        {"vocab", vocabulary_json(small_bpe_vocabulary())},
        {"merges", small_bpe_merges()}}}};
}

/// small_bpe() with one value replaced or added.
inline Tokenizer small_bpe_with(const std::string& pointer, const nlohmann::json& value) {
  nlohmann::json file = small_bpe();
  file[nlohmann::json::json_pointer(pointer)] = value;
  return open_tokenizer(file);
}

/// The tokens of a text with | between them, without the </s> that begins it.
inline std::string bpe_words(const Tokenizer& tokenizer, std::string_view text) {
  const Tokens tokens = tokenizer.encode(text);
  REQUIRE(!tokens.ids.empty());
  std::string result;
  for (std::size_t i = 1; i < tokens.ids.size(); ++i) {
    result += (i > 1 ? "|" : "") + std::string(tokenizer.token(tokens.ids[i]));
  }
  return result;
}

}  // namespace octavo::test
