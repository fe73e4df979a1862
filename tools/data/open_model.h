// Models as commands open them: what a checkpoint says that octavo does not know is told to the user, once.
#pragma once

#include "cli/log.h"

#include "octavo/model.h"

#include <cstdint>
#include <string>

namespace octavo::tools {

/// Model::open(), with the model's warnings on the log.
Model open_model(const std::string& path, const Log& log);

/// Model::from_checkpoint(), likewise.
Model open_checkpoint(const std::string& directory, const CheckpointOptions& options, const Log& log);

/// Bytes of the weights of a checkpoint directory: model.safetensors, or else all shards, or else what PyTorch wrote.
std::uintmax_t weight_bytes(const std::string& checkpoint);

}  // namespace octavo::tools
