// Tasks on top of an engine.
#pragma once

#include <optional>

#include "octavo/engine.h"

namespace octavo {

struct EmbedOptions {
  std::optional<Pooling> pooling = {};  ///< mean or cls; default: what the checkpoint says
  bool normalize = true;                ///< divide by the L2 norm
};

/// Sentence embeddings: f32 [sequences, hidden_size]. Throws Error as Engine::run does.
Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options = {});

}  // namespace octavo
