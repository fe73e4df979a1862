// ALiBi: scores that fall with the distance of query and key.
#pragma once

#include "graph/graph.h"
#include "models/parts/checkpoint.h"

namespace octavo {

/// Adds the table of -slope * distance of each head, of texts of up to `positions` tokens.
ScoreBias alibi(CheckpointTensors& tensors, int heads, int positions);

}  // namespace octavo
