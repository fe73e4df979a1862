// How is a tokenizer read from vocab.txt and tokenizer_config.json?
#include "json_object.h"
#include "mapped_file.h"
#include "tokenizer_json.h"
#include "utf8.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

namespace octavo {
namespace {

void check_utf8(std::string_view token, std::size_t line, const std::string& where) {
  for (std::size_t i = 0; i < token.size();) {
    const CodePoint c = first_code_point(token.substr(i));
    if (c.value == kReplacementCharacter && !token.substr(i).starts_with("\xef\xbf\xbd")) {
      throw Error(where + ": line " + std::to_string(line) + " has an ill-formed character, expected UTF-8");
    }
    i += static_cast<std::size_t>(c.bytes);
  }
}

std::vector<std::string> read_lines(const std::filesystem::path& file) {
  const MappedFile mapped(file);
  std::vector<std::string> lines;
  for (std::string_view rest = mapped.bytes(); !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    check_utf8(line, lines.size() + 1, file.string());
    lines.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return lines;
}

constexpr std::string_view kClsToken = "cls_token", kSepToken = "sep_token";
constexpr std::pair<const char*, const char*> kSpecialTokens[] = {{"unk_token", "[UNK]"},
                                                                  {"cls_token", "[CLS]"},
                                                                  {"sep_token", "[SEP]"},
                                                                  {"pad_token", "[PAD]"},
                                                                  {"mask_token", "[MASK]"}};

std::int32_t find_token(const std::vector<std::string>& vocabulary, const std::string& token) {
  const auto found = std::find(vocabulary.begin(), vocabulary.end(), token);
  return found == vocabulary.end() ? -1 : static_cast<std::int32_t>(found - vocabulary.begin());
}

void check_supported(const JsonObject& config) {
  const std::string type = config.text_or("tokenizer_class", "BertTokenizer");
  constexpr std::array kSupported = {"BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer",
                                     "DistilBertTokenizerFast"};
  if (std::find(kSupported.begin(), kSupported.end(), type) == kSupported.end()) {
    config.fail("tokenizer_class", "BertTokenizer or DistilBertTokenizer, or a tokenizer.json beside it");
  }
  if (!config.flag_or("do_basic_tokenize", true)) config.fail("do_basic_tokenize", "true");
  if (config.has("never_split")) config.fail("never_split", "null");
}

BertNormalizer::Options normalizer_options(const JsonObject& config) {
  const bool lowercase = config.flag_or("do_lower_case", true);
  return {.clean_text = true,
          .handle_chinese_chars = config.flag_or("tokenize_chinese_chars", true),
          .strip_accents = config.flag_or("strip_accents", lowercase),
          .lowercase = lowercase};
}

AddedToken read_decoder_entry(const std::string& id, const nlohmann::json& value, const std::string& where) {
  const JsonObject entry(value, where + ": added_tokens_decoder: " + id);
  int number = -1;
  const auto parsed = std::from_chars(id.data(), id.data() + id.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != id.data() + id.size() || number < 0) {
    throw Error(where + ": added_tokens_decoder has the key \"" + id + "\", expected an id");
  }
  return {.id = number,
          .content = entry.text("content"),
          .special = entry.flag("special"),
          .normalized = entry.flag("normalized"),
          .single_word = entry.flag("single_word"),
          .lstrip = entry.flag("lstrip"),
          .rstrip = entry.flag("rstrip")};
}

// A special token's text: a string, or an object with its content.
std::string special_text(const nlohmann::json& config, const std::string& key, const char* otherwise,
                         const std::string& where) {
  const auto found = config.find(key);
  if (found != config.end() && found->is_object()) return JsonObject(*found, where + ": " + key).text("content");
  return JsonObject(config, where).text_or(key, otherwise);
}

std::vector<std::string> additional_special_texts(const nlohmann::json& config, const std::string& where) {
  const std::string key = "additional_special_tokens";
  const nlohmann::json list = config.value(key, nlohmann::json());
  if (list.is_null()) return {};
  if (!list.is_array()) JsonObject(config, where).fail(key, "a list of tokens");
  std::vector<std::string> result;
  for (const nlohmann::json& token : list) result.push_back(special_text({{key, token}}, key, "", where));
  return result;
}

// The id of a special token, which is added to `tokens` unless it is there. -1 when it has none.
std::int32_t add_special(const std::string& text, const std::vector<std::string>& vocabulary,
                         std::vector<AddedToken>& tokens) {
  const auto known = std::find_if(tokens.begin(), tokens.end(), [&](const auto& t) { return t.content == text; });
  if (known != tokens.end()) return known->id;
  const std::int32_t id = find_token(vocabulary, text);
  if (id >= 0) tokens.push_back({.id = id, .content = text, .special = true});
  return id;
}

}  // namespace

TokenizerParts read_vocabulary_files(const std::filesystem::path& directory) {
  const std::string where = (directory / "tokenizer_config.json").string();
  if (!std::filesystem::exists(directory / "vocab.txt")) {
    throw Error(directory.string() + ": has neither tokenizer.json nor vocab.txt, expected one of them");
  }
  if (!std::filesystem::exists(where)) {
    throw Error(where + ": is missing, expected beside vocab.txt to say whether it is lower case");
  }
  const nlohmann::json json = parse_json(MappedFile(where).bytes(), where);
  const JsonObject config(json, where);
  check_supported(config);

  TokenizerParts parts = {.normalizer = normalizer_options(config), .vocabulary = read_lines(directory / "vocab.txt")};
  if (config.has("added_tokens_decoder")) {
    config.section("added_tokens_decoder");  // an Error unless it is an object
    for (const auto& [id, value] : json["added_tokens_decoder"].items()) {
      parts.added_tokens.push_back(read_decoder_entry(id, value, where));
    }
  }
  if (!config.has("added_tokens_decoder") && std::filesystem::exists(directory / "added_tokens.json")) {
    throw Error((directory / "added_tokens.json").string() +
                ": is not supported, expected added_tokens_decoder in tokenizer_config.json, or a tokenizer.json");
  }
  parts.model.unk_token = special_text(json, "unk_token", "[UNK]", where);
  std::map<std::string_view, std::int32_t> ids;
  for (const auto& [key, otherwise] : kSpecialTokens) {
    const std::string text = special_text(json, key, otherwise, where);
    ids[key] = add_special(text, parts.vocabulary, parts.added_tokens);
    const bool is_needed = config.has(key) || key == kClsToken || key == kSepToken;
    if (ids[key] < 0 && is_needed) {
      throw Error(where + ": " + std::string(key) + " is \"" + text + "\", expected a token of vocab.txt");
    }
  }
  for (const std::string& text : additional_special_texts(json, where)) {
    if (add_special(text, parts.vocabulary, parts.added_tokens) < 0) {
      throw Error(where + ": additional_special_tokens has \"" + text + "\", expected a token of vocab.txt");
    }
  }
  std::sort(parts.added_tokens.begin(), parts.added_tokens.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  parts.single = single_template(ids[kClsToken], ids[kSepToken]);
  parts.pair = pair_template(ids[kClsToken], ids[kSepToken]);
  return parts;
}

}  // namespace octavo
