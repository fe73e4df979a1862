// How is a tokenizer written as a tokenizer.json?
#include "tokenizer/component_json.h"
#include "tokenizer/tokenizer_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
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

// An id in between may have no token, or one that was added.
bool is_of_model(const Tokenizer::Data& data, std::size_t id) {
  const std::string& token = data.vocabulary[id];
  return !token.empty() && std::visit([&](const auto& model) { return model.id(token) >= 0; }, data.model);
}

ordered_json write_vocabulary(const Tokenizer::Data& data) {
  ordered_json vocabulary = ordered_json::object();
  auto& entries = vocabulary.get_ref<ordered_json::object_t&>();
  for (std::size_t i = 0; i < data.model_size; ++i) {
    if (is_of_model(data, i)) entries.emplace_back(data.vocabulary[i], i);
  }
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

ordered_json or_null(const std::string& text) { return text.empty() ? ordered_json() : ordered_json(text); }

ordered_json write_merges(const std::vector<Bpe::MergedPair>& merges) {
  const auto has_space = [](const Bpe::MergedPair& merge) {
    return (merge.left + merge.right).find(' ') != std::string::npos;
  };
  const bool as_pairs = std::any_of(merges.begin(), merges.end(), has_space);
  ordered_json result = ordered_json::array();
  for (const Bpe::MergedPair& merge : merges) {
    if (as_pairs) {
      result.push_back(ordered_json::array({merge.left, merge.right}));
    } else {
      result.push_back(merge.left + " " + merge.right);
    }
  }
  return result;
}

ordered_json write_model(const Bpe& model, ordered_json vocabulary) {
  const Bpe::Options options = model.options();
  ordered_json result = {{"type", "BPE"},
                         {"dropout", nullptr},
                         {"unk_token", or_null(options.unk_token)},
                         {"continuing_subword_prefix", or_null(options.continuing_subword_prefix)},
                         {"end_of_word_suffix", or_null(options.end_of_word_suffix)},
                         {"fuse_unk", options.fuse_unk},
                         {"byte_fallback", options.byte_fallback}};
  if (options.ignore_merges) result["ignore_merges"] = true;
  result["vocab"] = std::move(vocabulary);
  result["merges"] = write_merges(options.merges);
  return result;
}

// A quarter of a million pieces as text: scores stand there digit by digit as they were read.
std::string write_unigram(const Unigram& model, const Tokenizer::Data& data) {
  const Unigram::Options& options = model.options();
  std::string text = R"({"type":"Unigram","unk_id":)";
  text += options.unknown_id < 0 ? "null" : std::to_string(options.unknown_id);
  text += R"(,"vocab":[)";
  std::string_view numbers = options.numbers;
  for (std::size_t i = 0; i < data.model_size; ++i) {
    const std::size_t end = numbers.find('\n');
    text.append(i > 0 ? ",[" : "[").append(ordered_json(data.vocabulary[i]).dump()).append(",");
    text.append(numbers.substr(0, end)).append("]");
    numbers.remove_prefix(end + 1);
  }
  return text + R"(],"byte_fallback":)" + (options.byte_fallback ? "true}" : "false}");
}

std::string write_model_text(const Tokenizer::Data& data) {
  if (const auto* words = std::get_if<WordPiece>(&data.model))
    return write_model(*words, write_vocabulary(data)).dump();
  if (const auto* pairs = std::get_if<Bpe>(&data.model)) return write_model(*pairs, write_vocabulary(data)).dump();
  return write_unigram(std::get<Unigram>(data.model), data);
}

ordered_json write_byte_level(bool add_prefix_space, bool trim_offsets) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", add_prefix_space},
          {"trim_offsets", trim_offsets},
          {"use_regex", true}};
}

// ByteLevel trims spans, TemplateProcessing adds tokens.
ordered_json write_post_processor(const Tokenizer::Data& data) {
  const bool adds_nothing = data.single == single_template() && data.pair == pair_template();
  ordered_json trimming = write_byte_level(data.trimming.keeps_first_space, true);
  if (data.trimming.is_on && adds_nothing) return trimming;
  ordered_json special_tokens = ordered_json::object();
  std::unordered_set<std::int32_t> written;
  ordered_json single = write_template(data.single, data, special_tokens, written);
  ordered_json pair = write_template(data.pair, data, special_tokens, written);
  ordered_json tokens = {{"type", "TemplateProcessing"},
                         {"single", std::move(single)},
                         {"pair", std::move(pair)},
                         {"special_tokens", std::move(special_tokens)}};
  if (!data.trimming.is_on) return tokens;
  return {{"type", "Sequence"}, {"processors", {std::move(trimming), std::move(tokens)}}};
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
  ordered_json file = {{"version", "1.0"},
                       {"truncation", nullptr},
                       {"padding", nullptr},
                       {"added_tokens", std::move(added)},
                       {"normalizer", write_normalizer(data.normalizer.steps())},
                       {"pre_tokenizer", write_pre_tokenizer(data.splitter.steps())},
                       {"post_processor", write_post_processor(data)},
                       {"decoder", data.decoder_steps ? write_decoder(*data.decoder_steps) : ordered_json()}};
  if (data.mask_id != usual_mask(data.vocabulary))
    file["mask_token"] = data.vocabulary[static_cast<std::size_t>(data.mask_id)];
  std::string text = file.dump();
  text.pop_back();
  return text + R"(,"model":)" + write_model_text(data) + "}";
}

}  // namespace octavo
