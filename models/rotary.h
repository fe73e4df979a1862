// Tables of rotary positions, which checkpoints do not hold.
#pragma once

#include "graph/graph.h"
#include "io/json_object.h"
#include "models/checkpoint.h"

namespace octavo {

/// What config.json says of rotary positions: `rope_theta`, in rope_parameters or beside it. Error where it asks for
/// angles that are scaled (`rope_type` other than default, `rope_scaling`).
double read_rope_theta(const JsonObject& config, double otherwise);

/// Adds the table of angles position * theta^(-2 j / head_size), which layers with the same theta share.
RotaryPositions rotary_positions(CheckpointTensors& tensors, double theta, int head_size, int positions);

}  // namespace octavo
