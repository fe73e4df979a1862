// What a masked language model says of tokens, row by row.
#pragma once

#include "engine/engine_data.h"

#include <cstdint>
#include <span>

namespace octavo {

/// The value of the logits of a model's tokens over its vocabulary; of pretraining's two heads the one of tokens.
/// Throws Error when the model does not predict masked tokens.
ValueId masked_logits(const Engine& engine);

}  // namespace octavo
