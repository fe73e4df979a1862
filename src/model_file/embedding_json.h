// Pooling, prompts and the modules behind pooling as JSON, for a model file's metadata.
#pragma once

#include "graph/embedding_modules.h"
#include "io/json_object.h"

#include "octavo/model.h"

#include <vector>

namespace octavo {

/// Adds to a model's facts what is not as in a checkpoint that says nothing of embeddings.
void add_embedding(const EmbeddingInfo& embedding, nlohmann::json& info);

/// Throws Error naming the key.
EmbeddingInfo embedding_from_json(const JsonObject& info);

/// One object per module: {"type", "name", attributes}.
nlohmann::json modules_to_json(const std::vector<EmbeddingModule>& modules);

/// Throws Error naming the key. Whether the tensors are there is not looked at.
std::vector<EmbeddingModule> modules_from_json(const JsonObject& json);

}  // namespace octavo
