#include "tokenizer/tokenizer_json.h"

#include "io/json_object.h"
#include "tokenizer/component_json.h"
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
// mask_token is octavo's own: a model file has no settings beside it.
constexpr std::array kSections = {"version", "truncation",    "padding",        "added_tokens", "normalizer",
                                  "model",   "pre_tokenizer", "post_processor", "decoder",      "mask_token"};
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
                            {"model", "Unigram", {"unk_id"}},
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

WordPiece::Options read_word_piece(const JsonObject& model) {
  model.allow_only({"type", "unk_token", "continuing_subword_prefix", "max_input_chars_per_word"});
  return {.unk_token = model.text("unk_token"),
          .continuing_subword_prefix = model.text_or("continuing_subword_prefix", "##"),
          .max_input_chars_per_word = model.integer_or("max_input_chars_per_word", 0, kMaxInt, 100)};
}

// "left right", or ["left", "right"].
Bpe::MergedPair read_merge(const json& merge, std::size_t rank, const std::string& where) {
  if (merge.is_string()) return split_merge(merge.get_ref<const std::string&>(), rank, where);
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  throw Error(where + ": model: merge " + std::to_string(rank) + " is a JSON " + merge.type_name() +
              ", expected a string or an array of two");
}

Bpe::Options read_bpe(const JsonObject& model, const json& merges, const std::string& where) {
  model.allow_only({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
                    "byte_fallback", "ignore_merges"});
  const bool drops =
      model.has("dropout") && (model.is_number("dropout") ? model.number("dropout", 0, 1) != 0 : model.flag("dropout"));
  if (drops) model.fail("dropout", "nothing, 0 or false");
  if (!merges.is_array())
    throw Error(where + ": model: merges are a JSON " + merges.type_name() + ", expected an array");
  Bpe::Options options = {.ignore_merges = model.flag_or("ignore_merges", false),
                          .unk_token = model.text_or("unk_token", ""),
                          .continuing_subword_prefix = model.text_or("continuing_subword_prefix", ""),
                          .end_of_word_suffix = model.text_or("end_of_word_suffix", ""),
                          .fuse_unk = model.flag_or("fuse_unk", false),
                          .byte_fallback = model.flag_or("byte_fallback", false)};
  options.merges.reserve(merges.size());
  for (const json& merge : merges) options.merges.push_back(read_merge(merge, options.merges.size(), where));
  return options;
}

// The scores of the pieces; their texts are left to be the vocabulary.
Unigram::Options read_unigram(const JsonObject& model, const JsonMembers& pieces) {
  model.allow_only({"type", "unk_id", "byte_fallback"});
  Unigram::Options options = {.unknown_id = model.integer_or("unk_id", 0, kMaxInt, -1),
                              .byte_fallback = model.flag_or("byte_fallback", false)};
  options.scores.reserve(pieces.size());
  for (const auto& [piece, number] : pieces) {
    const std::string& text = number.get_ref<const std::string&>();
    options.scores.push_back(score_of(text));
    options.numbers.append(text).push_back('\n');
  }
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
    throw Error(where + ": " + key + " is " + value.dump() + ", expected a token and its id");
  }
  return value[1].get<std::int32_t>();
}

// The tokens around texts, which one post-processor of a sequence may say.
void set_template(TokenTemplate single, TokenTemplate pair, const JsonObject& object, bool& has_template,
                  TokenizerParts& parts) {
  if (has_template) {
    throw Error(object.where() + " " + object.text("type") + " is not supported behind another that adds tokens");
  }
  has_template = true;
  parts.single = std::move(single);
  parts.pair = std::move(pair);
}

// A post-processor, or those of a sequence, where one adds tokens and others may trim spans.
void read_post_processor(const JsonObject& object, const std::string& where, bool& has_template,
                         TokenizerParts& parts) {
  const std::string type = object.text("type");
  const auto token_id = [&](const char* key) { return read_token_and_id(object.values(), key, object.where()); };
  if (type == "Sequence") {
    object.allow_only({"type", "processors"});
    for (const JsonObject& each : object.list("processors")) read_post_processor(each, where, has_template, parts);
  } else if (type == "ByteLevel") {
    object.allow_only({"type", "add_prefix_space", "trim_offsets", "use_regex"});
    parts.trimming = {.is_on = object.flag("trim_offsets"),
                      .keeps_first_space = object.flag_or("add_prefix_space", true)};
  } else if (type == "BertProcessing") {
    object.allow_only({"type", "cls", "sep"});
    const std::int32_t cls = token_id("cls"), sep = token_id("sep");
    set_template(single_template(cls, sep), pair_template(cls, sep), object, has_template, parts);
  } else if (type == "RobertaProcessing") {
    object.allow_only({"type", "cls", "sep", "trim_offsets", "add_prefix_space"});
    const std::int32_t cls = token_id("cls"), sep = token_id("sep");
    parts.trimming = {.is_on = object.flag("trim_offsets"), .keeps_first_space = object.flag("add_prefix_space")};
    set_template(roberta_template(cls, sep), roberta_pair_template(cls, sep), object, has_template, parts);
  } else if (type == "TemplateProcessing") {
    object.allow_only({"type", "single", "pair", "special_tokens"});
    set_template(read_template(object, "single", where), read_template(object, "pair", where), object, has_template,
                 parts);
  } else {
    throw Error(
        object.where() + " " + type +
        " is not supported, expected TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel, Sequence "
        "or null");
  }
}

// Takes the vocabulary, which the parser has put aside, and the merges out of the model: what remains is small.
json take_lists(json& model, const std::string& where) {
  if (!model.is_object()) return {};
  if (!model.contains("vocab")) throw Error(where + ": model: vocab is missing, expected tokens and ids");
  const bool is_unigram = model.contains("type") && model["type"] == "Unigram";
  const json& vocabulary = model["vocab"];
  if (is_unigram ? !vocabulary.is_array() : !vocabulary.is_object()) {
    throw Error(where + ": model: vocab is a JSON " + vocabulary.type_name() + ", expected " +
                (is_unigram ? "an array of pieces and scores" : "an object of tokens and ids"));
  }
  model.erase("vocab");
  json merges = model.contains("merges") ? std::move(model["merges"]) : json();
  model.erase("merges");
  return merges;
}

void read_model(const JsonObject& model, const json& merges, JsonMembers members, const std::string& where,
                TokenizerParts& parts) {
  const std::string type = model.text("type");
  if (type == "Unigram") {
    parts.model = read_unigram(model, members);
    parts.vocabulary.reserve(members.size());
    for (auto& [piece, number] : members) parts.vocabulary.push_back(std::move(piece));
    return;
  }
  if (type == "WordPiece") {
    if (!merges.is_null()) throw Error(where + ": model: merges are there, expected none in a WordPiece model");
    parts.model = read_word_piece(model);
  } else if (type == "BPE") {
    parts.model = read_bpe(model, merges, where);
  } else {
    refuse(where, "model", type, "WordPiece, BPE or Unigram");
  }
  Vocabulary vocabulary = read_vocabulary(std::move(members), where + ": model: vocab");
  parts.vocabulary = std::move(vocabulary.tokens);
  parts.holes = vocabulary.holes;
}

}  // namespace

TokenizerParts read_tokenizer_json(std::string_view text, const std::string& where) {
  JsonMembers vocabulary;
  json file = parse_json(text, where, "vocab", vocabulary);
  check_sections(file, where);
  add_types(file);
  const json merges = take_lists(file["model"], where);
  const JsonObject root(std::move(file), where);
  TokenizerParts parts = {.normalizer = read_normalizer(root), .pre_tokenizer = read_pre_tokenizer(root)};
  read_model(root.section("model"), merges, std::move(vocabulary), where, parts);
  if (root.has("decoder")) parts.decoder = read_decoder(root);
  parts.added_tokens = read_added_tokens(root);
  parts.mask_token = root.text_or("mask_token", "");
  parts.single = single_template();
  parts.pair = pair_template();
  bool has_template = false;
  if (root.has("post_processor")) read_post_processor(root.section("post_processor"), where, has_template, parts);
  return parts;
}

}  // namespace octavo
