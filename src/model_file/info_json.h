// A model's facts as JSON, for a model file's metadata and for whoever asks a command.
#pragma once

#include "io/json_object.h"

#include "octavo/model.h"

namespace octavo {

nlohmann::json info_to_json(const ModelInfo& info);

/// Throws Error naming the key.
ModelInfo info_from_json(const JsonObject& json);

}  // namespace octavo
