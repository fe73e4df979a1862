// What do the files of a tokenizer have in common? Lists of tokens, and what is said about special ones.
#pragma once

#include "io/json_object.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/subword/bpe.h"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace octavo {

/// The lines of a file of UTF-8 text; they may end in CRLF.
std::vector<std::string> read_lines(const std::filesystem::path& file);

/// The JSON object in a file; an empty one when there is no file.
nlohmann::json read_json_file(const std::filesystem::path& file);

/// Tokens by id; "" where an id has none.
struct Vocabulary {
  std::vector<std::string> tokens;
  std::size_t holes = 0;  ///< ids without one
};

/// Reads an object's members, tokens and ids, each id once. Ids may be left out, as long as there are not more than
/// four times as many as tokens, or 65,536. `where` stands before " has ..." in messages.
Vocabulary read_vocabulary(JsonMembers members, const std::string& where);

/// Reads "left right", the merge of this number. `where` stands in messages.
Bpe::MergedPair split_merge(std::string_view text, std::size_t rank, const std::string& where);

/// The tokens of tokenizer_config.json's added_tokens_decoder.
std::vector<AddedToken> read_added_tokens_decoder(const nlohmann::json& config, const std::string& where);

/// Error when there is an added_tokens.json.
void refuse_added_tokens_file(const std::filesystem::path& directory);

void sort_by_id(std::vector<AddedToken>& tokens);

/// The text of the special token under `key`: a string, or an object with its content.
std::string special_text(const nlohmann::json& config, const std::string& key, const char* otherwise,
                         const std::string& where);

/// The texts of a list of special tokens, or of an object of them.
std::vector<std::string> special_texts(const nlohmann::json& config, const std::string& key, const std::string& where);

/// Adds special tokens of a vocabulary to the added tokens.
class SpecialTokens {
 public:
  SpecialTokens(const std::vector<std::string>& vocabulary, std::vector<AddedToken>& tokens);

  /// The id of a token, which is added unless it is there; -1 when it has none.
  std::int32_t add(const std::string& text);

 private:
  std::vector<AddedToken>& tokens_;
  std::unordered_map<std::string_view, std::int32_t> ids_;  // of the vocabulary, which outlives this
  std::unordered_map<std::string, std::int32_t> added_ids_ = {};
};

}  // namespace octavo
