#include "tokenizer/tokenizer_json.h"

#include "io/json_object.h"
#include "tokenizer/tokenizer_config.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <limits>

namespace octavo {
namespace {

using nlohmann::json;
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

struct Untyped {
  const char* section;
  const char* type;
  std::initializer_list<const char*> keys;
};

// Components without a type, as early versions of the tokenizers library wrote them: the first of their section whose
// keys are all there.
const Untyped kUntyped[] = {{"model", "BPE", {"merges"}},
                            {"model", "WordPiece", {"unk_token", "continuing_subword_prefix"}},
                            {"model", "WordPiece", {"unk_token", "max_input_chars_per_word"}},
                            {"normalizer", "BertNormalizer", {"clean_text", "handle_chinese_chars", "lowercase"}},
                            {"post_processor", "RobertaProcessing", {"sep", "cls", "trim_offsets", "add_prefix_space"}},
                            {"post_processor", "BertProcessing", {"sep", "cls"}},
                            {"post_processor", "TemplateProcessing", {"single", "pair"}},
                            {"decoder", "WordPiece", {"prefix", "cleanup"}}};

void add_types(json& root) {
  for (const Untyped& untyped : kUntyped) {
    const auto component = root.find(untyped.section);
    if (component == root.end() || !component->is_object() || component->contains("type")) continue;
    const auto has = [&](const char* key) { return component->contains(key); };
    if (std::all_of(untyped.keys.begin(), untyped.keys.end(), has)) (*component)["type"] = untyped.type;
  }
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

// ByteLevel writes bytes as BPE's vocabulary does; WordPiece's holds text.
PreTokenizer read_pre_tokenizer(const JsonObject& root, const std::string& where) {
  const std::string type = type_of(root, "pre_tokenizer"), model = type_of(root, "model");
  const std::string expected = model == "BPE" ? "ByteLevel" : "BertPreTokenizer";
  if (type != expected) refuse(where, "pre_tokenizer", type, expected);
  const JsonObject section = root.section("pre_tokenizer");
  if (type == "BertPreTokenizer") {
    section.allow_only({"type"});
    return BertPreTokenizer();
  }
  section.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
  if (!section.flag_or("use_regex", true)) section.fail("use_regex", "true");
  return ByteLevel{.add_prefix_space = section.flag("add_prefix_space")};
}

// Text is put together as the model's vocabulary demands; another decoder would say that it is something else.
void check_decoder(const JsonObject& root, const std::string& where) {
  const std::string type = type_of(root, "decoder");
  if (type != "ByteLevel" && type != "null") refuse(where, "decoder", type, "ByteLevel or null");
}

WordPiece::Options read_word_piece(const JsonObject& model) {
  model.allow_only({"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"});
  return {.unk_token = model.text("unk_token"),
          .continuing_subword_prefix = model.text_or("continuing_subword_prefix", "##"),
          .max_input_chars_per_word = model.integer_or("max_input_chars_per_word", 0, kMaxInt, 100)};
}

// "left right", or ["left", "right"].
std::string read_merge(const json& merge, std::size_t rank, const std::string& where) {
  if (merge.is_string()) return merge.get<std::string>();
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return merge[0].get<std::string>() + " " + merge[1].get<std::string>();
  }
  throw Error(where + ": model: merge " + std::to_string(rank) + " is a JSON " + merge.type_name() +
              ", expected a string or an array of two");
}

// Every byte has a token, so that no word can need the unknown one: what is said about it does not matter.
Bpe::Options read_bpe(const JsonObject& model, const json& merges, const std::string& where) {
  model.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                    "byte_fallback", "ignore_merges"});
  for (const char* key : {"dropout", "byte_fallback", "ignore_merges"}) {
    const bool is_off = !model.has(key) || (model.is_number(key) ? model.number(key, 0, 1) == 0 : !model.flag(key));
    if (!is_off) model.fail(key, "nothing, 0 or false");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.text_or(key, "").empty()) model.fail(key, "an empty string or null");
  }
  if (!merges.is_array())
    throw Error(where + ": model: merges are a JSON " + merges.type_name() + ", expected an array");
  Bpe::Options options;
  options.merges.reserve(merges.size());
  for (const json& merge : merges) options.merges.push_back(read_merge(merge, options.merges.size(), where));
  return options;
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

void read_post_processor(const JsonObject& root, const std::string& where, TokenizerParts& parts) {
  const json& section = root.values()["post_processor"];
  const std::string type = type_of(root, "post_processor");
  const JsonObject object = root.section("post_processor");
  if (type == "null") {
    parts.single = single_template();
    parts.pair = pair_template();
  } else if (type == "ByteLevel") {
    object.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    parts.single = single_template();
    parts.pair = pair_template();
    parts.trim_offsets = object.flag("trim_offsets");
    parts.keeps_first_space = object.flag_or("add_prefix_space", true);
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
    refuse(where, "post_processor", type, "TemplateProcessing, BertProcessing, ByteLevel or null");
  }
}

// Takes the vocabulary, which the parser has put aside, and the merges out of the model: what remains is small.
json take_lists(json& model, const std::string& where) {
  if (!model.is_object()) return {};
  if (!model.contains("vocab")) throw Error(where + ": model: vocab is missing, expected tokens and ids");
  if (!model["vocab"].is_object()) {
    throw Error(where + ": model: vocab is a JSON " + model["vocab"].type_name() +
                ", expected an object of tokens and ids");
  }
  model.erase("vocab");
  json merges = model.contains("merges") ? std::move(model["merges"]) : json();
  model.erase("merges");
  return merges;
}

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view text, const std::string& where) {
  JsonMembers vocabulary;
  json file = parse_json(text, where, "vocab", vocabulary);
  check_sections(file, where);
  add_types(file);
  const json merges = take_lists(file["model"], where);
  const JsonObject root(std::move(file), where);
  TokenizerParts parts = {.normalizer = read_normalizer(root, where)};
  const std::string type = type_of(root, "model");
  if (type == "WordPiece") {
    if (!merges.is_null()) throw Error(where + ": model: merges are there, expected none in a WordPiece model");
    parts.model = read_word_piece(root.section("model"));
  } else if (type == "BPE") {
    check_decoder(root, where);
    parts.model = read_bpe(root.section("model"), merges, where);
  } else {
    refuse(where, "model", type, "WordPiece or BPE");
  }
  parts.pre_tokenizer = read_pre_tokenizer(root, where);
  parts.vocabulary = read_vocabulary(std::move(vocabulary), where + ": model: vocab");
  parts.added_tokens = read_added_tokens(root);
  read_post_processor(root, where, parts);
  return parts;
}

}  // namespace octavo
