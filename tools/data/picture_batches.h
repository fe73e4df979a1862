// Pictures in batches for the engine, decoded while it works on the batch before.
#pragma once

#include "data/batching.h"
#include "data/picture_loader.h"

#include "octavo/engine.h"

#include <functional>

namespace octavo::tools {

/// Called with each batch in the order of the files: all its pictures, also those that could not be read, and the
/// images of the others (which the pictures no longer hold).
using PictureHandler = std::function<void(const ImageBatch&, const std::vector<LoadedPicture>&)>;

/// How many are held at most follows from the batches.
void for_each_picture_batch(const std::vector<std::string>& files, const ModelInfo& info, const BatchLimits& limits,
                            const LoaderOptions& loading, const PictureHandler& handle);

}  // namespace octavo::tools
