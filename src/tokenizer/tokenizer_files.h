// How is a tokenizer read from the files of a checkpoint that has no tokenizer.json?
#pragma once

#include "tokenizer/tokenizer_data.h"

#include <filesystem>

namespace octavo {

/// Reads vocab.txt (one token a line) and tokenizer_config.json, as BertTokenizer understands them.
TokenizerParts read_vocabulary_files(const std::filesystem::path& directory);

/// Reads vocab.json and merges.txt (a merge a line), as GPT2Tokenizer understands them. tokenizer_config.json and
/// special_tokens_map.json name the special tokens; both may be missing. Texts begin with bos_token where
/// tokenizer_config.json has add_bos_token, and without that key with the token that config.json has as `prefix`.
TokenizerParts read_merges_files(const std::filesystem::path& directory);

}  // namespace octavo
