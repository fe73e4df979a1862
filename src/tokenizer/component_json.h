// How are the sequences of steps of a tokenizer.json read and written?
#pragma once

#include "io/json_object.h"
#include "tokenizer/normalizer/normalizer.h"
#include "tokenizer/pre_tokenizer/word_splitter.h"
#include "tokenizer/token_decoder.h"

#include <vector>

namespace octavo {

/// Read a section; no steps when it is null. A Sequence within another counts as its steps. A type, a key or a value
/// that is not known is an Error that names it.
std::vector<NormalizerStep> read_normalizer(const JsonObject& root);
std::vector<PreTokenizerStep> read_pre_tokenizer(const JsonObject& root);
std::vector<DecoderStep> read_decoder(const JsonObject& root);

/// Write it: null when there are no steps, a Sequence when there are several.
nlohmann::ordered_json write_normalizer(const std::vector<NormalizerStep>& steps);
nlohmann::ordered_json write_pre_tokenizer(const std::vector<PreTokenizerStep>& steps);
nlohmann::ordered_json write_decoder(const std::vector<DecoderStep>& steps);

}  // namespace octavo
