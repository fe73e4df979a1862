// Models as commands open them: what a checkpoint says that octavo does not know is told to the user, once.
#pragma once

#include "cli/log.h"

#include "octavo/model.h"

#include <string>

namespace octavo::tools {

/// Model::open(), with the model's warnings on the log.
Model open_model(const std::string& path, const Log& log);

/// Model::from_checkpoint(), likewise.
Model open_checkpoint(const std::string& directory, const CheckpointOptions& options, const Log& log);

}  // namespace octavo::tools
