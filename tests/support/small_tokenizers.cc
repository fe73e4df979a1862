// The small tokenizer.json files.
#include "tests/support/small_tokenizers.h"

#include "tokenizer/unicode/byte_level.h"
#include "tokenizer/unicode/utf8.h"

#include <cstddef>

namespace octavo::test {

std::vector<std::string> small_vocabulary() {
  return {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a",      "b",  "c",  "##a",  "##b",      "##c",    "e",
          "é",     "E",     "É",     "un",    "##aff",  "##able", "北", "京", "##京", "\ufffd",   "!",      "hello",
          "Hello", "[",     "]",     "mask",  "x",      "##x",    "ß",  "я",  "##я",  "##\ufffd", "##\x01", "##!"};
}

nlohmann::json vocabulary_json(const std::vector<std::string>& tokens) {
  nlohmann::json result = nlohmann::json::object();
  for (std::size_t i = 0; i < tokens.size(); ++i) result[tokens[i]] = i;
  return result;
}

nlohmann::json small_tokenizer() {
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

std::string byte_token(int byte) {
  char text[4];
  const int length = write_utf8(byte_level_character(static_cast<unsigned char>(byte)), text);
  return std::string(text, static_cast<std::size_t>(length));
}

std::vector<std::string> small_bpe_vocabulary() {
  std::vector<std::string> tokens;
  for (int byte = 0; byte < 256; ++byte) tokens.push_back(byte_token(byte));
  for (const char* token : {"</s>", "he", "ll", "llo", "hello", "Ġw", "aa", "aaaa", "'s", "12", "Ã©"}) {
    tokens.emplace_back(token);
  }
  return tokens;
}

std::vector<std::string> small_bpe_merges() {
  return {"h e", "l l", "ll o", "he llo", "Ġ w", "a a", "aa aa", "' s", "1 2", "Ã ©"};
}

nlohmann::json small_bpe() {
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

}  // namespace octavo::test
