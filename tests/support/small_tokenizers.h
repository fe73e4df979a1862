// A small tokenizer.json of either kind, WordPiece and byte-level BPE: what tests change and break.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace octavo::test {

/// The tokens of small_tokenizer(), by id.
std::vector<std::string> small_vocabulary();

nlohmann::json vocabulary_json(const std::vector<std::string>& tokens);

/// Of BERT's form: all steps of the normalizer, [MASK] is an added token.
nlohmann::json small_tokenizer();

/// UTF-8 of the character that stands for a byte.
std::string byte_token(int byte);

/// Ids 0 to 255 are the bytes, 256 is </s>, then come what the merges of small_bpe() make.
std::vector<std::string> small_bpe_vocabulary();

std::vector<std::string> small_bpe_merges();

/// Of OPT's form: </s> begins every text and is an added token.
nlohmann::json small_bpe();

}  // namespace octavo::test
