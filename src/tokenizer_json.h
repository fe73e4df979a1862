// How is a tokenizer read from a checkpoint's files, and written?
#pragma once

#include "tokenizer_data.h"

#include <filesystem>
#include <string>
#include <string_view>

namespace octavo {

/// Reads a tokenizer.json. The sections `truncation`, `padding` and `decoder` are deliberately left aside: the caller
/// says max_length, batches are ragged, and nothing is decoded. Every other section decides about ids, so a type, a key
/// or a value that is not supported is an Error that names it and `where`.
TokenizerParts read_tokenizer_json(std::string_view json, const std::string& where);

/// Reads vocab.txt (one token a line) and tokenizer_config.json, as BertTokenizer understands them.
TokenizerParts read_vocabulary_files(const std::filesystem::path& directory);

/// A compact tokenizer.json.
std::string write_tokenizer_json(const Tokenizer::Data& data);

}  // namespace octavo
