// Keys of a checkpoint's JSON files that nobody has asked for, and those of config.json that all Hugging Face models
// have.
#pragma once

#include "graph/graph.h"
#include "io/json_object.h"

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// config.json's "model_type"; "" when it says none.
std::string model_type(const JsonObject& config);

/// The class that saved the checkpoint, the first of "architectures": "BertForSequenceClassification"; "" when
/// config.json does not say.
std::string architecture(const JsonObject& config);

/// Whether positions lower the scores of distant keys (ALiBi): JinaBERT, whose checkpoints call themselves BERT's.
bool has_alibi(const JsonObject& config);

/// hidden_size / heads. Error that names `key`, the number of heads, unless that is a size that attention takes.
int read_head_size(const JsonObject& config, std::string_view key, int hidden_size, int heads);

/// The activation that `key` names, as transformers calls it; `otherwise` where the key is missing. Throws Error for
/// one that octavo does not have.
Activation read_activation(const JsonObject& config, std::string_view key, Activation otherwise);

/// Refuses by name a problem_type by which scores of a model of pictures would not be a softmax over all classes.
void require_softmax(const JsonObject& config);

/// Refuses by name what changes every model's weights or results and octavo does not do: quantized weights, pruned
/// heads, an encoder with a decoder.
void refuse_unsupported_keys(const JsonObject& config);

/// Adds a warning for every key of `object` that nobody has asked for and that is not among `harmless`, the keys known
/// not to change results. To be called when everything has been read.
void warn_of_unknown_keys(const JsonObject& object, std::span<const std::string_view> harmless,
                          std::vector<std::string>& warnings);

/// The same of config.json of a Hugging Face model: adds a warning for each key that nobody has asked for, unless it is
/// known to change no result: of any model, or one of `harmless` of this family. Of a section that was asked for as a
/// whole nothing is said.
void warn_of_unread_keys(const JsonObject& config, std::initializer_list<std::string_view> harmless,
                         std::vector<std::string>& warnings);

}  // namespace octavo
