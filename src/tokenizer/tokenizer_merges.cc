// How is a tokenizer read from vocab.json and merges.txt?
#include "io/json_object.h"
#include "io/mapped_file.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_files.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

namespace octavo {
namespace {

using nlohmann::json;

Vocabulary read_vocabulary_json(const std::filesystem::path& file) {
  const std::string name = file.string();
  if (!std::filesystem::exists(file)) throw Error(name + ": is missing, expected beside merges.txt");
  JsonMembers members;
  const json root = parse_json(MappedFile(file).bytes(), name, /*key=*/"", members);
  if (!root.is_object())
    throw Error(name + ": is a JSON " + root.type_name() + ", expected an object of tokens and ids");
  return read_vocabulary(std::move(members), name + ":");
}

std::vector<Bpe::MergedPair> read_merges(const std::filesystem::path& file) {
  std::vector<std::string> lines = read_lines(file);
  if (!lines.empty() && lines[0].starts_with("#version")) lines.erase(lines.begin());
  std::vector<Bpe::MergedPair> merges;
  merges.reserve(lines.size());
  for (const std::string& line : lines) merges.push_back(split_merge(line, merges.size(), file.string()));
  return merges;
}

void check_supported(const JsonObject& config) {
  const std::string type = config.text_or("tokenizer_class", "GPT2Tokenizer");
  if (type != "GPT2Tokenizer" && type != "GPT2TokenizerFast") {
    config.fail("tokenizer_class", "GPT2Tokenizer, or a tokenizer.json beside it");
  }
  if (config.flag_or("add_eos_token", false)) config.fail("add_eos_token", "false");
}

// Adds the tokens that a configuration calls special.
void add_special_tokens(const json& config, const std::string& where, SpecialTokens& tokens) {
  std::vector<std::string> texts = special_texts(config, "additional_special_tokens", where);
  for (const char* key : {"bos_token", "eos_token", "unk_token", "pad_token", "mask_token"}) {
    if (JsonObject(config, where).has(key)) texts.push_back(special_text(config, key, "", where));
  }
  for (const std::string& text : texts) {
    if (tokens.add(text) < 0) {
      throw Error(where + ": has the special token \"" + text + "\", expected a token of vocab.json");
    }
  }
}

// The token that begins every text; empty when none does.
std::string first_token(const std::filesystem::path& directory, const json& config, const json& special_tokens) {
  const std::string config_name = (directory / "tokenizer_config.json").string();
  const JsonObject settings(config, config_name);
  if (!settings.has("add_bos_token")) {
    const std::filesystem::path model_config = directory / "config.json";
    return JsonObject(read_json_file(model_config), model_config.string()).text_or("prefix", "");
  }
  if (!settings.flag("add_bos_token")) return "";
  const std::string in_map = special_text(special_tokens, "bos_token", "", "special_tokens_map.json");
  const std::string text = special_text(config, "bos_token", in_map.c_str(), config_name);
  if (text.empty()) settings.fail("bos_token", "a token, since add_bos_token is true");
  return text;
}

}  // namespace

TokenizerParts read_merges_files(const std::filesystem::path& directory) {
  const std::string config_name = (directory / "tokenizer_config.json").string();
  const json config = read_json_file(config_name),
             special_tokens = read_json_file(directory / "special_tokens_map.json");
  const JsonObject settings(config, config_name);
  check_supported(settings);

  TokenizerParts parts;
  parts.pre_tokenizer = {ByteLevel{.add_prefix_space = settings.flag_or("add_prefix_space", false)}};
  parts.decoder = {ByteLevel{.add_prefix_space = true}};
  Vocabulary vocabulary = read_vocabulary_json(directory / "vocab.json");
  parts.vocabulary = std::move(vocabulary.tokens);
  parts.holes = vocabulary.holes;
  parts.model = Bpe::Options{.merges = read_merges(directory / "merges.txt")};
  parts.added_tokens = read_added_tokens_decoder(config, config_name);
  if (!settings.has("added_tokens_decoder")) refuse_added_tokens_file(directory);
  SpecialTokens special(parts.vocabulary, parts.added_tokens);
  add_special_tokens(config, config_name, special);
  add_special_tokens(special_tokens, (directory / "special_tokens_map.json").string(), special);
  const std::string in_map = special_text(special_tokens, "mask_token", "", "special_tokens_map.json");
  parts.mask_token = special_text(config, "mask_token", in_map.c_str(), config_name);
  parts.single = single_template();
  parts.pair = pair_template();
  const std::string first = first_token(directory, config, special_tokens);
  if (!first.empty()) {
    const std::int32_t id = special.add(first);
    if (id < 0) {
      throw Error(directory.string() + ": texts begin with \"" + first + "\", expected a token of vocab.json");
    }
    parts.single.parts.insert(parts.single.parts.begin(), {.id = id});
    parts.pair.parts.insert(parts.pair.parts.begin(), {.id = id});
    parts.pair.parts.insert(parts.pair.parts.end() - 1, {.type_id = 1, .id = id});
  }
  sort_by_id(parts.added_tokens);
  return parts;
}

}  // namespace octavo
