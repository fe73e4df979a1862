// What does a checkpoint say about how its texts begin, go on and end?
#pragma once

#include "graph/model_data.h"
#include "io/json_object.h"

#include <filesystem>

namespace octavo {

/// bos_token_id and eos_token_id, a number or a list, of config.json or generation_config.json; what is missing stays
/// as `otherwise` has it. Throws Error for an id that is not in the vocabulary.
DecoderInfo read_end_tokens(const JsonObject& config, int vocabulary, const DecoderInfo& otherwise);

/// Takes the tokens from generation_config.json and warns of each of its other keys that would change what
/// transformers' generate() gives; without that file, of those in config.json.
void read_generation_config(const std::filesystem::path& directory, Model::Data& data);

}  // namespace octavo
