// What do the files of a tokenizer have in common? Lists of tokens, and what is said about special ones.
#pragma once

#include "io/json_object.h"
#include "tokenizer/added_tokens.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace octavo {

/// The lines of a file of UTF-8 text; they may end in CRLF.
std::vector<std::string> read_lines(const std::filesystem::path& file);

/// Tokens by id from an object's members, tokens and ids: every id from 0 to the number of tokens minus one, once.
/// `where` stands before " has ..." in messages.
std::vector<std::string> read_vocabulary(JsonMembers members, const std::string& where);

/// The tokens of tokenizer_config.json's added_tokens_decoder.
std::vector<AddedToken> read_added_tokens_decoder(const nlohmann::json& config, const std::string& where);

/// Error when there is an added_tokens.json.
void refuse_added_tokens_file(const std::filesystem::path& directory);

void sort_by_id(std::vector<AddedToken>& tokens);

/// The text of the special token under `key`: a string, or an object with its content.
std::string special_text(const nlohmann::json& config, const std::string& key, const char* otherwise,
                         const std::string& where);

/// The texts of additional_special_tokens.
std::vector<std::string> additional_special_texts(const nlohmann::json& config, const std::string& where);

/// The id of a special token, which is added to `tokens` unless it is there. -1 when it has none.
std::int32_t add_special(const std::string& text, const std::vector<std::string>& vocabulary,
                         std::vector<AddedToken>& tokens);

}  // namespace octavo
