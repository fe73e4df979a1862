#include "tokenizer_json.h"

#include "json_object.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <limits>

namespace octavo {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using Source = TokenTemplate::Source;

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr std::array kSections = {"version", "truncation",    "padding",        "added_tokens", "normalizer",
                                  "model",   "pre_tokenizer", "post_processor", "decoder"};
constexpr std::array kNeeded = {"added_tokens", "normalizer", "pre_tokenizer", "post_processor", "model"};

[[noreturn]] void refuse(const std::string& where, const std::string& component, const std::string& found,
                         const std::string& expected) {
  throw Error(where + ": " + component + " " + found + " is not supported, expected " + expected);
}

void check_sections(const json& root, const std::string& where) {
  if (!root.is_object()) throw Error(where + ": is a JSON " + root.type_name() + ", expected an object");
  for (const auto& [key, value] : root.items()) {
    if (std::find(kSections.begin(), kSections.end(), key) == kSections.end()) {
      refuse(where, "section", key, "only those of a tokenizer.json of version 1.0");
    }
  }
  for (const char* key : kNeeded) {
    if (!root.contains(key)) throw Error(where + ": " + key + " is missing, expected a section of a tokenizer.json");
  }
  if (root.contains("version") && root["version"] != "1.0") refuse(where, "version", root["version"].dump(), "\"1.0\"");
}

// The section's type, "null" for null.
std::string type_of(const JsonObject& root, const char* section) {
  return root.has(section) ? root.section(section).text("type") : "null";
}

BertNormalizer::Options read_normalizer(const JsonObject& root, const std::string& where) {
  const std::string type = type_of(root, "normalizer");
  if (type == "null") return {};
  const JsonObject section = root.section("normalizer");
  if (type == "Lowercase") {
    section.allow_only({"type"});
    return {.lowercase = true};
  }
  if (type != "BertNormalizer") refuse(where, "normalizer", type, "BertNormalizer, Lowercase or null");
  section.allow_only({"type", "clean_text", "handle_chinese_chars", "strip_accents", "lowercase"});
  const bool lowercase = section.flag("lowercase");
  return {.clean_text = section.flag("clean_text"),
          .handle_chinese_chars = section.flag("handle_chinese_chars"),
          .strip_accents = section.flag_or("strip_accents", lowercase),
          .lowercase = lowercase};
}

void check_pre_tokenizer(const JsonObject& root, const std::string& where) {
  const std::string type = type_of(root, "pre_tokenizer");
  if (type != "BertPreTokenizer") refuse(where, "pre_tokenizer", type, "BertPreTokenizer");
  root.section("pre_tokenizer").allow_only({"type"});
}

// Every id from 0 to the number of tokens minus one, once.
std::vector<std::string> read_vocabulary(const json& vocabulary, const std::string& where) {
  if (!vocabulary.is_object()) {
    throw Error(where + ": model: vocab is a JSON " + vocabulary.type_name() +
                ", expected an object of tokens and ids");
  }
  const std::size_t size = vocabulary.size();
  std::vector<std::string> result(size);
  std::vector<bool> is_taken(size);
  for (const auto& [token, id] : vocabulary.items()) {
    const auto number = id.is_number_unsigned() ? id.get<std::uint64_t>() : std::numeric_limits<std::uint64_t>::max();
    if (number >= size) {
      throw Error(where + ": model: vocab has \"" + token + "\" with id " + id.dump() + ", expected 0 to " +
                  std::to_string(size - 1) + " for " + std::to_string(size) + " tokens");
    }
    const auto i = static_cast<std::size_t>(number);
    if (is_taken[i]) {
      throw Error(where + ": model: vocab has \"" + result[i] + "\" and \"" + token + "\" with id " +
                  std::to_string(i) + ", expected one token for each id");
    }
    result[i] = token;
    is_taken[i] = true;
  }
  return result;
}

WordPiece::Options read_model(const JsonObject& root, const std::string& where) {
  const std::string type = type_of(root, "model");
  if (type != "WordPiece") refuse(where, "model", type, "WordPiece");
  const JsonObject model = root.section("model");
  model.allow_only({"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"});
  return {.unk_token = model.text("unk_token"),
          .continuing_subword_prefix = model.text("continuing_subword_prefix"),
          .max_input_chars_per_word = static_cast<int>(model.integer("max_input_chars_per_word", 0, kMaxInt))};
}

std::vector<AddedToken> read_added_tokens(const JsonObject& root) {
  std::vector<AddedToken> result;
  for (const JsonObject& token : root.list("added_tokens")) {
    token.allow_only({"id", "content", "special", "normalized", "single_word", "lstrip", "rstrip"});
    result.push_back({.id = static_cast<int>(token.integer("id", 0, kMaxInt)),
                      .content = token.text("content"),
                      .special = token.flag("special"),
                      .normalized = token.flag("normalized"),
                      .single_word = token.flag("single_word"),
                      .lstrip = token.flag("lstrip"),
                      .rstrip = token.flag("rstrip")});
  }
  return result;
}

// One element of a template: {"SpecialToken": {...}}, which may stand for several ids, or {"Sequence": {...}}.
void read_part(const JsonObject& part, const JsonObject& special_tokens, const std::string& where,
               TokenTemplate& result) {
  if (part.has("SpecialToken")) {
    const JsonObject token = part.section("SpecialToken");
    const int type_id = static_cast<int>(token.integer("type_id", 0, kMaxInt));
    for (const int id : special_tokens.section(token.text("id")).integers("ids", 0, kMaxInt)) {
      result.parts.push_back({.type_id = type_id, .id = id});
    }
    return;
  }
  if (!part.has("Sequence")) part.fail("Sequence", "this or SpecialToken");
  const JsonObject sequence = part.section("Sequence");
  const std::string name = sequence.text("id");
  if (name != "A" && name != "B") refuse(where, "post_processor", "sequence " + name, "A or B");
  result.parts.push_back({.source = name == "A" ? Source::first_text : Source::second_text,
                          .type_id = static_cast<int>(sequence.integer("type_id", 0, kMaxInt))});
}

TokenTemplate read_template(const JsonObject& section, const char* key, const std::string& where) {
  TokenTemplate result;
  const JsonObject special_tokens = section.section("special_tokens");
  for (const JsonObject& part : section.list(key)) read_part(part, special_tokens, where, result);
  return result;
}

// The id in ["[SEP]", 102].
std::int32_t read_token_and_id(const json& section, const char* key, const std::string& where) {
  const json value = section.value(key, json());
  if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_number_unsigned() ||
      value[1].get<std::uint64_t>() > kMaxInt) {
    throw Error(where + ": post_processor: " + key + " is " + value.dump() + ", expected a token and its id");
  }
  return value[1].get<std::int32_t>();
}

void read_post_processor(const json& section, const JsonObject& root, const std::string& where, TokenizerParts& parts) {
  const std::string type = type_of(root, "post_processor");
  const JsonObject object = root.section("post_processor");
  if (type == "null") {
    parts.single = {{{.source = Source::first_text}}};
    parts.pair = {{{.source = Source::first_text}, {.source = Source::second_text, .type_id = 1}}};
  } else if (type == "BertProcessing") {
    const std::int32_t cls = read_token_and_id(section, "cls", where), sep = read_token_and_id(section, "sep", where);
    object.allow_only({"type", "cls", "sep"});
    parts.single = single_template(cls, sep);
    parts.pair = pair_template(cls, sep);
  } else if (type == "TemplateProcessing") {
    object.allow_only({"type", "single", "pair", "special_tokens"});
    parts.single = read_template(object, "single", where);
    parts.pair = read_template(object, "pair", where);
  } else {
    refuse(where, "post_processor", type, "TemplateProcessing, BertProcessing or null");
  }
}

ordered_json write_template(const TokenTemplate& tokens, const Tokenizer::Data& data, ordered_json& special_tokens) {
  ordered_json result = ordered_json::array();
  for (const TokenTemplate::Part& part : tokens.parts) {
    if (part.source == Source::special) {
      const std::string& name = data.vocabulary[static_cast<std::size_t>(part.id)];
      special_tokens[name] = {{"id", name}, {"ids", {part.id}}, {"tokens", {name}}};
      result.push_back({{"SpecialToken", {{"id", name}, {"type_id", part.type_id}}}});
    } else {
      const char* name = part.source == Source::first_text ? "A" : "B";
      result.push_back({{"Sequence", {{"id", name}, {"type_id", part.type_id}}}});
    }
  }
  return result;
}

ordered_json write_model(const Tokenizer::Data& data) {
  ordered_json vocabulary = ordered_json::object();
  auto& entries = vocabulary.get_ref<ordered_json::object_t&>();
  for (std::size_t i = 0; i < data.model_size; ++i) entries.emplace_back(data.vocabulary[i], i);
  const WordPiece::Options& options = data.model.options();
  return {{"type", "WordPiece"},
          {"unk_token", options.unk_token},
          {"continuing_subword_prefix", options.continuing_subword_prefix},
          {"max_input_chars_per_word", options.max_input_chars_per_word},
          {"vocab", std::move(vocabulary)}};
}

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view text, const std::string& where) {
  json file = parse_json(text, where);
  check_sections(file, where);
  json vocabulary;  // taken out first: the rest of the file is small
  if (file["model"].is_object()) {
    if (!file["model"].contains("vocab")) throw Error(where + ": model: vocab is missing, expected tokens and ids");
    vocabulary = std::move(file["model"]["vocab"]);
  }
  const JsonObject root(file, where);
  TokenizerParts parts = {.normalizer = read_normalizer(root, where), .model = read_model(root, where)};
  check_pre_tokenizer(root, where);
  parts.vocabulary = read_vocabulary(vocabulary, where);
  parts.added_tokens = read_added_tokens(root);
  read_post_processor(file["post_processor"], root, where, parts);
  return parts;
}

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
  const BertNormalizer::Options& options = data.normalizer.options();
  ordered_json special_tokens = ordered_json::object();
  ordered_json single = write_template(data.single, data, special_tokens);
  ordered_json pair = write_template(data.pair, data, special_tokens);
  const ordered_json file = {{"version", "1.0"},
                             {"truncation", nullptr},
                             {"padding", nullptr},
                             {"added_tokens", std::move(added)},
                             {"normalizer",
                              {{"type", "BertNormalizer"},
                               {"clean_text", options.clean_text},
                               {"handle_chinese_chars", options.handle_chinese_chars},
                               {"strip_accents", options.strip_accents},
                               {"lowercase", options.lowercase}}},
                             {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
                             {"post_processor",
                              {{"type", "TemplateProcessing"},
                               {"single", std::move(single)},
                               {"pair", std::move(pair)},
                               {"special_tokens", std::move(special_tokens)}}},
                             {"decoder", nullptr},
                             {"model", write_model(data)}};
  return file.dump();
}

}  // namespace octavo
