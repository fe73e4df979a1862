// What do the files beside a tokenizer.json change of it? What transformers' AutoTokenizer makes of them, in version 5.
#pragma once

#include "tokenizer/tokenizer_data.h"

#include <filesystem>

namespace octavo {

/// Reads tokenizer_config.json, special_tokens_map.json, added_tokens.json and, for the tokenizer's class, config.json
/// of a checkpoint whose tokenizer.json gave `parts`. Where they contradict it, the parts become what transformers
/// would use, and `parts.warnings` say so: BertTokenizer and GPT2Tokenizer take from tokenizer.json only the
/// vocabulary, merges, added tokens and, the latter, what stands around texts; other classes take all of it. Added
/// tokens and special tokens that it lacks are added. Throws Error for a setting that cannot be honoured.
void apply_tokenizer_settings(const std::filesystem::path& directory, TokenizerParts& parts);

/// Whether transformers' tokenizer gives types beside ids: what model_input_names of tokenizer_config.json says, or
/// else the class, where versions 4 and 5 agree on it.
bool gives_types(const std::filesystem::path& directory);

/// Warns of each key of tokenizer_config.json and special_tokens_map.json that octavo does not know.
void warn_of_unknown_keys(const std::filesystem::path& directory, TokenizerParts& parts);

}  // namespace octavo
