// How is a tokenizer read from a tokenizer.json, and written?
#pragma once

#include "tokenizer/tokenizer_data.h"

#include <string>
#include <string_view>

namespace octavo {

/// Reads a tokenizer.json. The sections `truncation` and `padding` are deliberately left aside: the caller says
/// max_length, and batches are ragged. Every other section decides about ids or text, so a type, a key or a value that
/// is not supported is an Error that names it and `where`.
TokenizerParts read_tokenizer_json(std::string_view json, const std::string& where);

/// A compact tokenizer.json.
std::string write_tokenizer_json(const Tokenizer::Data& data);

}  // namespace octavo
