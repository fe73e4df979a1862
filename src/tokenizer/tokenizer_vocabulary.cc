// How is a tokenizer read from vocab.txt and tokenizer_config.json?
#include "io/json_object.h"
#include "io/mapped_file.h"
#include "tokenizer/tokenizer_config.h"
#include "tokenizer/tokenizer_files.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>

namespace octavo {
namespace {

constexpr std::string_view kClsToken = "cls_token", kSepToken = "sep_token", kMaskToken = "mask_token";
constexpr std::pair<const char*, const char*> kSpecialTokens[] = {{"unk_token", "[UNK]"},
                                                                  {"cls_token", "[CLS]"},
                                                                  {"sep_token", "[SEP]"},
                                                                  {"pad_token", "[PAD]"},
                                                                  {"mask_token", "[MASK]"}};

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

}  // namespace

TokenizerParts read_vocabulary_files(const std::filesystem::path& directory) {
  const std::string where = (directory / "tokenizer_config.json").string();
  if (!std::filesystem::exists(directory / "vocab.txt")) {
    throw Error(directory.string() + ": has neither tokenizer.json nor vocab.txt nor merges.txt, expected one of them");
  }
  if (!std::filesystem::exists(where)) {
    throw Error(where + ": is missing, expected beside vocab.txt to say whether it is lower case");
  }
  const nlohmann::json json = parse_json(MappedFile(where).bytes(), where);
  const JsonObject config(json, where);
  check_supported(config);

  TokenizerParts parts = {.normalizer = {BertNormalizer(normalizer_options(config))},
                          .pre_tokenizer = {BertPreTokenizer()},
                          .vocabulary = read_lines(directory / "vocab.txt")};
  parts.added_tokens = read_added_tokens_decoder(json, where);
  if (!config.has("added_tokens_decoder")) refuse_added_tokens_file(directory);
  parts.model = WordPiece::Options{.unk_token = special_text(json, "unk_token", "[UNK]", where)};
  SpecialTokens special(parts.vocabulary, parts.added_tokens);
  std::map<std::string_view, std::int32_t> ids;
  for (const auto& [key, otherwise] : kSpecialTokens) {
    const std::string text = special_text(json, key, otherwise, where);
    ids[key] = special.add(text);
    const bool is_needed = config.has(key) || key == kClsToken || key == kSepToken;
    if (key == kMaskToken && ids[key] >= 0) parts.mask_token = text;
    if (ids[key] < 0 && is_needed) {
      throw Error(where + ": " + std::string(key) + " is \"" + text + "\", expected a token of vocab.txt");
    }
  }
  for (const std::string& text : special_texts(json, "additional_special_tokens", where)) {
    if (special.add(text) < 0) {
      throw Error(where + ": additional_special_tokens has \"" + text + "\", expected a token of vocab.txt");
    }
  }
  sort_by_id(parts.added_tokens);
  parts.single = single_template(ids[kClsToken], ids[kSepToken]);
  parts.pair = pair_template(ids[kClsToken], ids[kSepToken]);
  return parts;
}

}  // namespace octavo
