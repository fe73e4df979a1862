// How is a tokenizer written as a tokenizer.json?
#include "tokenizer/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <unordered_set>

namespace octavo {
namespace {

using nlohmann::ordered_json;
using Source = TokenTemplate::Source;

ordered_json write_template(const TokenTemplate& tokens, const Tokenizer::Data& data, ordered_json& special_tokens,
                            std::unordered_set<std::int32_t>& written) {
  ordered_json result = ordered_json::array();
  auto& entries = special_tokens.get_ref<ordered_json::object_t&>();
  for (const TokenTemplate::Part& part : tokens.parts) {
    if (part.source == Source::special) {
      const std::string& name = data.vocabulary[static_cast<std::size_t>(part.id)];
      if (written.insert(part.id).second) {  // to look for the name would take the square of their number
        entries.emplace_back(name, ordered_json{{"id", name}, {"ids", {part.id}}, {"tokens", {name}}});
      }
      result.push_back({{"SpecialToken", {{"id", name}, {"type_id", part.type_id}}}});
    } else {
      const char* name = part.source == Source::first_text ? "A" : "B";
      result.push_back({{"Sequence", {{"id", name}, {"type_id", part.type_id}}}});
    }
  }
  return result;
}

ordered_json write_vocabulary(const Tokenizer::Data& data) {
  ordered_json vocabulary = ordered_json::object();
  auto& entries = vocabulary.get_ref<ordered_json::object_t&>();
  for (std::size_t i = 0; i < data.model_size; ++i) entries.emplace_back(data.vocabulary[i], i);
  return vocabulary;
}

ordered_json write_model(const WordPiece& model, ordered_json vocabulary) {
  const WordPiece::Options& options = model.options();
  return {{"type", "WordPiece"},
          {"unk_token", options.unk_token},
          {"continuing_subword_prefix", options.continuing_subword_prefix},
          {"max_input_chars_per_word", options.max_input_chars_per_word},
          {"vocab", std::move(vocabulary)}};
}

ordered_json write_model(const Bpe& model, ordered_json vocabulary) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", nullptr},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"vocab", std::move(vocabulary)},
          {"merges", model.options().merges}};
}

ordered_json write_byte_level(bool add_prefix_space, bool trim_offsets) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", true}};
}

ordered_json write_pre_tokenizer(const PreTokenizer& pre_tokenizer) {
  const auto* byte_level = std::get_if<ByteLevel>(&pre_tokenizer);
  if (!byte_level) return {{"type", "BertPreTokenizer"}};
  return write_byte_level(byte_level->add_prefix_space, true);
}

ordered_json write_normalizer(const BertNormalizer& normalizer) {
  const BertNormalizer::Options& options = normalizer.options();
  return {{"type", "BertNormalizer"},
          {"clean_text", options.clean_text},
          {"handle_chinese_chars", options.handle_chinese_chars},
          {"strip_accents", options.strip_accents},
          {"lowercase", options.lowercase}};
}

// Only ByteLevel trims offsets, and it adds no tokens.
ordered_json write_post_processor(const Tokenizer::Data& data) {
  if (data.trim_offsets) return write_byte_level(data.keeps_first_space, true);
  ordered_json special_tokens = ordered_json::object();
  std::unordered_set<std::int32_t> written;
  ordered_json single = write_template(data.single, data, special_tokens, written);
  ordered_json pair = write_template(data.pair, data, special_tokens, written);
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(special_tokens)}};
}

}  // namespace

std::string write_tokenizer_json(const Tokenizer::Data& data) {
  ordered_json added = ordered_json::array();
  for (const AddedToken& token : data.added_tokens) {
    added.push_back({{"id", token.id},
                     {"content", token.content},
                     {"single_word", token.single_word},
                     {"lstrip", token.lstrip},
                     {"rstrip", token.rstrip},
                     {"normalized", token.normalized},
                     {"special", token.special}});
  }
  const bool is_byte_level = std::holds_alternative<ByteLevel>(data.pre_tokenizer);
  const auto write = [&](const auto& model) { return write_model(model, write_vocabulary(data)); };
  const ordered_json file = {{"version", "1.0"},
                             {"truncation", nullptr},
                             {"padding", nullptr},
                             {"added_tokens", std::move(added)},
                             {"normalizer", write_normalizer(data.normalizer)},
                             {"pre_tokenizer", write_pre_tokenizer(data.pre_tokenizer)},
                             {"post_processor", write_post_processor(data)},
                             {"decoder", is_byte_level ? write_byte_level(true, true) : ordered_json()},
                             {"model", std::visit(write, data.model)}};
  return file.dump();
}

}  // namespace octavo
