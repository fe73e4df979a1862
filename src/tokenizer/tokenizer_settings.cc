#include "tokenizer/tokenizer_settings.h"

#include "io/json_object.h"
#include "tokenizer/tokenizer_config.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <unordered_map>

namespace octavo {
namespace {

using nlohmann::json;
using Source = TokenTemplate::Source;

constexpr std::array kSpecialTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                       "pad_token", "cls_token", "mask_token"};
// BertTokenizer's, where the settings name no other.
constexpr std::pair<const char*, const char*> kBertTokens[] = {{"unk_token", "[UNK]"},
                                                               {"sep_token", "[SEP]"},
                                                               {"pad_token", "[PAD]"},
                                                               {"cls_token", "[CLS]"},
                                                               {"mask_token", "[MASK]"}};
constexpr std::array kTokenLists = {"additional_special_tokens", "extra_special_tokens"};

// Keys of tokenizer_config.json beside the tokens: those that are read, and those that change no id of a text that is
// encoded by itself.
constexpr std::array kKnownKeys = {
    "add_bos_token", "add_eos_token", "add_prefix_space", "added_tokens_decoder", "do_basic_tokenize", "do_lower_case",
    "model_input_names", "model_max_length", "never_split", "split_special_tokens", "strip_accents",
    "tokenize_chinese_chars", "tokenizer_class", "truncation_side",
    // without effect
    "_commit_hash", "backend", "chat_template", "clean_up_tokenization_spaces", "device_map", "errors", "is_local",
    "local_files_only", "max_length", "max_len", "name_or_path", "pad_to_multiple_of", "pad_token_id",
    "pad_token_type_id", "padding_side", "processor_class", "return_token_type_ids", "special_tokens_map_file",
    "stride", "tokenizer_file", "transformers_version", "truncation", "truncation_strategy", "use_fast", "vocab_file",
    "merges_file", "sp_model_kwargs", "vocab_size"};

// Classes that make their own pre-tokenizer, and what the one of a tokenizer.json is when they make the same.
struct UsualForm {
  const char* tokenizer_class;
  std::array<const char*, 2> pre_tokenizers;
};
constexpr UsualForm kUsualForms[] = {{"RobertaTokenizer", {"ByteLevel", nullptr}},
                                     {"XLMRobertaTokenizer", {"WhitespaceSplit", "Metaspace"}},
                                     {"CamembertTokenizer", {"WhitespaceSplit", "Metaspace"}},
                                     {"AlbertTokenizer", {"WhitespaceSplit", "Metaspace"}},
                                     {"MPNetTokenizer", {"BertPreTokenizer", nullptr}}};

constexpr std::array kClassesWithoutTypes = {"DistilBertTokenizer", "RobertaTokenizer", "XLMRobertaTokenizer",
                                             "CamembertTokenizer",  "MPNetTokenizer",   "GPT2Tokenizer"};

bool has_form(const std::vector<PreTokenizerStep>& steps, const UsualForm& form) {
  const std::size_t count = form.pre_tokenizers[1] ? 2 : 1;
  if (steps.size() != count) return false;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view type = std::visit([](const auto& step) { return step.kType; }, steps[i]);
    if (type != form.pre_tokenizers[i]) return false;
  }
  return true;
}

bool is_one_of(const auto& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

// The class that AutoTokenizer would make, without "Fast": tokenizer_config.json's, config.json's, or the model type's.
std::string class_of(const std::filesystem::path& directory, const JsonObject& settings) {
  const JsonObject config(read_json_file(directory / "config.json"), (directory / "config.json").string());
  std::string name = settings.text_or("tokenizer_class", config.text_or("tokenizer_class", ""));
  if (name.empty()) {
    const std::string type = config.text_or("model_type", "");
    if (is_one_of(std::array{"bert", "distilbert", "electra"}, type)) name = "BertTokenizer";
    if (is_one_of(std::array{"opt", "gpt2"}, type)) name = "GPT2Tokenizer";
  }
  return name.ends_with("Fast") ? name.substr(0, name.size() - 4) : name;
}

// A tokenizer's parts while the settings are applied to them.
class Overrides {
 public:
  Overrides(const std::filesystem::path& directory, TokenizerParts& parts)
      : where_((directory / "tokenizer_config.json").string()),
        parts_(parts),
        values_(read_json_file(where_)),
        settings_(values_, where_) {
    class_ = class_of(directory, settings_);
    for (std::size_t i = 0; i < parts_.added_tokens.size(); ++i) added_.emplace(parts_.added_tokens[i].content, i);
    for (const AddedToken& token : parts_.added_tokens) next_id_ = std::max(next_id_, token.id + 1);
    next_id_ = std::max(next_id_, static_cast<std::int32_t>(parts_.vocabulary.size()));
    read_older_files(directory);
  }

  void apply() {
    if (settings_.flag_or("split_special_tokens", false)) settings_.fail("split_special_tokens", "false");
    add_tokens();
    const bool words = std::holds_alternative<WordPiece::Options>(parts_.model);
    if (words && is_one_of(std::array{"BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer"}, class_)) {
      apply_bert();
    } else if (!words && class_ == "GPT2Tokenizer") {
      apply_gpt2();
    } else {
      report_unused();
    }
    if (settings_.text_or("truncation_side", "right") != "right") {
      warn("truncation_side", "texts are truncated on the right all the same");
    }
    parts_.mask_token = special_text(values_, "mask_token", "", where_);
    sort_by_id(parts_.added_tokens);
  }

 private:
  void warn(const std::string& key, const std::string& what) const {
    parts_.warnings.push_back(where_ + ": " + key + " is " + values_[key].dump() + "; " + what);
  }

  // special_tokens_map.json and added_tokens.json count where tokenizer_config.json has no added_tokens_decoder.
  void read_older_files(const std::filesystem::path& directory) {
    if (settings_.has("added_tokens_decoder")) return;
    const json map = read_json_file(directory / "special_tokens_map.json");
    for (const auto& [key, value] : map.items()) {
      if (!value.is_null()) values_[key] = value;
    }
    const std::filesystem::path file = directory / "added_tokens.json";
    const json added = read_json_file(file);
    for (const auto& [content, id] : added.items()) {
      add({.id = -1, .content = content, .normalized = true}, file.string());
    }
  }

  void add_tokens() {
    std::vector<AddedToken> tokens = read_added_tokens_decoder(values_, where_);
    sort_by_id(tokens);
    for (const AddedToken& token : tokens) add(token, where_ + ": added_tokens_decoder");
    for (const char* key : kSpecialTokens) {
      if (JsonObject(values_, where_).has(key)) add_special(special_text(values_, key, "", where_), key);
    }
    for (const char* key : kTokenLists) {
      for (const std::string& text : special_texts(values_, key, where_)) add_special(text, key);
    }
  }

  void add_special(const std::string& text, const char* key) {
    if (!added_.contains(text)) add({.id = -1, .content = text, .special = true}, where_ + ": " + key);
  }

  // Adds a token, or gives the flags of this one to that of the same text.
  void add(AddedToken token, const std::string& source) {
    const auto known = added_.find(token.content);
    if (known != added_.end()) {
      AddedToken& present = parts_.added_tokens[known->second];
      token.id = present.id;
      if (token == present || source.ends_with(".json")) return;
      present = token;
    } else {
      token.id = id_of(token.content);
      added_.emplace(token.content, parts_.added_tokens.size());
      parts_.added_tokens.push_back(token);
    }
    parts_.warnings.push_back(source + " has the token \"" + token.content +
                              "\", which tokenizer.json's added_tokens " +
                              (known != added_.end() ? "have with other flags" : "lack") +
                              "; it counts, as in transformers, with id " + std::to_string(token.id));
  }

  // Of the added token or the model's; the next one where there is none.
  std::int32_t id_of(const std::string& text) {
    const auto known = added_.find(text);
    if (known != added_.end()) return parts_.added_tokens[known->second].id;
    if (ids_.empty()) {
      for (const std::string& token : parts_.vocabulary) ids_.emplace(token, static_cast<std::int32_t>(ids_.size()));
    }
    const auto found = ids_.find(text);
    return found != ids_.end() ? found->second : next_id_++;
  }

  // Gives a part the value that the settings or the class demand.
  template <typename T>
  void decide(const std::string& key, T& value, T demanded, const char* part) {
    if (value == demanded) return;
    const bool is_said = JsonObject(values_, where_).has(key);
    parts_.warnings.push_back(where_ + ": " + (is_said ? key + " is " : class_ + " without " + key + " means ") +
                              json(demanded).dump() + ", but tokenizer.json's " + part + " has " + json(value).dump() +
                              "; the former counts, as in transformers");
    value = std::move(demanded);
  }

  void replace(TokenTemplate single, TokenTemplate pair, const char* keys) {
    if (parts_.single == single && parts_.pair == pair) return;
    parts_.warnings.push_back(where_ + ": tokenizer.json's post_processor has other tokens around a text than " + keys +
                              "; the latter count, as in transformers");
    parts_.single = std::move(single);
    parts_.pair = std::move(pair);
    parts_.trimming.is_on = false;
  }

  void apply_bert() {
    for (const auto& [key, text] : kBertTokens) add_special(special_text(values_, key, text, where_), key);
    const auto* present = parts_.normalizer.size() == 1 ? std::get_if<BertNormalizer>(&parts_.normalizer[0]) : nullptr;
    BertNormalizer::Options normalizer = present ? present->options() : BertNormalizer::Options();
    const JsonObject settings(values_, where_);
    const bool lowercase = settings.flag_or("do_lower_case", true);
    decide("do_lower_case", normalizer.lowercase, lowercase, "normalizer");
    decide("strip_accents", normalizer.strip_accents, settings.flag_or("strip_accents", lowercase), "normalizer");
    decide("tokenize_chinese_chars", normalizer.handle_chinese_chars, settings.flag_or("tokenize_chinese_chars", true),
           "normalizer");
    decide("clean_text", normalizer.clean_text, true, "normalizer");
    parts_.normalizer = {BertNormalizer(normalizer)};
    parts_.pre_tokenizer = {BertPreTokenizer()};
    auto& model = std::get<WordPiece::Options>(parts_.model);
    decide("unk_token", model.unk_token, special_text(values_, "unk_token", "[UNK]", where_), "model");
    decide("wordpieces_prefix", model.continuing_subword_prefix, std::string("##"), "model");
    decide("max_input_chars_per_word", model.max_input_chars_per_word, 100, "model");
    const std::int32_t cls = id_of(special_text(values_, "cls_token", "[CLS]", where_)),
                       sep = id_of(special_text(values_, "sep_token", "[SEP]", where_));
    replace(single_template(cls, sep), pair_template(cls, sep), "cls_token and sep_token");
  }

  void apply_gpt2() {
    const JsonObject settings(values_, where_);
    const auto* present = parts_.pre_tokenizer.size() == 1 ? std::get_if<ByteLevel>(&parts_.pre_tokenizer[0]) : nullptr;
    ByteLevel byte_level = present ? *present : ByteLevel();
    decide("add_prefix_space", byte_level.add_prefix_space, settings.flag_or("add_prefix_space", false),
           "pre_tokenizer");
    parts_.pre_tokenizer = {byte_level};
    if (!parts_.normalizer.empty()) {
      parts_.normalizer = {};
      parts_.warnings.push_back(where_ +
                                ": GPT2Tokenizer has no normalizer, but tokenizer.json does; the former counts, "
                                "as in transformers");
    }
    if (!settings.has("add_bos_token") && !settings.has("add_eos_token")) return;
    const bool bos = settings.flag_or("add_bos_token", false), eos = settings.flag_or("add_eos_token", false);
    TokenTemplate single = single_template(), pair = pair_template();
    if (eos) single.parts.push_back({.id = needed("eos_token", settings)});
    if (bos) single.parts.insert(single.parts.begin(), {.id = needed("bos_token", settings)});
    pair.parts = single.parts;
    if (bos) pair.parts.push_back({.type_id = 1, .id = needed("bos_token", settings)});
    pair.parts.push_back({.source = Source::second_text, .type_id = 1});
    if (eos) pair.parts.push_back({.type_id = 1, .id = needed("eos_token", settings)});
    replace(std::move(single), std::move(pair), "add_bos_token and add_eos_token say");
  }

  std::int32_t needed(const char* key, const JsonObject& settings) {
    if (!settings.has(key)) settings.fail(key, "a token, since one is to be added to each text");
    return id_of(special_text(values_, key, "", where_));
  }

  void report_unused() const {
    constexpr std::array kGeneric = {"", "PreTrainedTokenizer", "TokenizersBackend"};
    const auto is_usual = [&](const UsualForm& form) {
      return class_ == form.tokenizer_class && has_form(parts_.pre_tokenizer, form);
    };
    if (std::any_of(std::begin(kUsualForms), std::end(kUsualForms), is_usual)) return;
    if (!is_one_of(kGeneric, class_)) {
      parts_.warnings.push_back(where_ + ": tokenizer_class is " + class_ +
                                ", which octavo does not know beside such a tokenizer.json; that counts as it stands");
    }
  }

  std::string where_;
  TokenizerParts& parts_;
  json values_;
  JsonObject settings_;
  std::string class_;
  std::unordered_map<std::string, std::size_t> added_;      // by content, in parts_.added_tokens
  std::unordered_map<std::string, std::int32_t> ids_ = {};  // of the model's tokens, once they are needed
  std::int32_t next_id_ = 0;
};

}  // namespace

void apply_tokenizer_settings(const std::filesystem::path& directory, TokenizerParts& parts) {
  Overrides(directory, parts).apply();
}

bool gives_types(const std::filesystem::path& directory) {
  const std::string where = (directory / "tokenizer_config.json").string();
  const JsonObject settings(read_json_file(where), where);
  if (settings.has("model_input_names")) {
    const std::vector<std::string> names = settings.texts("model_input_names");
    return is_one_of(names, "token_type_ids");
  }
  return !is_one_of(kClassesWithoutTypes, class_of(directory, settings));
}

void warn_of_unknown_keys(const std::filesystem::path& directory, TokenizerParts& parts) {
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path file = directory / name;
    const json object = read_json_file(file);
    for (const auto& [key, value] : object.items()) {
      const bool is_token = is_one_of(kSpecialTokens, key) || is_one_of(kTokenLists, key);
      const bool is_setting = file.filename() == "tokenizer_config.json" && is_one_of(kKnownKeys, key);
      if (value.is_null() || is_token || is_setting) continue;
      parts.warnings.push_back(file.string() + ": " + key + " is not known to octavo, and left aside");
    }
  }
}

}  // namespace octavo
