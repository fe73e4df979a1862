// Tables of rotary positions, which checkpoints do not hold.
#pragma once

#include "graph/graph.h"
#include "io/json_object.h"
#include "models/parts/checkpoint.h"

#include <compare>

namespace octavo {

/// Angles position * theta^(-2 j / head_size) / divisor of a head's pairs of columns j.
struct RotaryAngles {
  double theta = 10000.0;
  double divisor = 1.0;

  auto operator<=>(const RotaryAngles&) const = default;
};

/// Whose code says what angles are scaled by.
enum class RopeScalings {
  transformers,
  gte,  ///< "ntk", too, as the code that Alibaba's GTE checkpoints were published with has it
};

/// What config.json says of rotary positions: rope_theta, and how angles are scaled, in rope_scaling, else in
/// rope_parameters, or theta beside them. Error where they are scaled by what octavo does not have.
RotaryAngles read_rope(const JsonObject& config, int head_size, double theta_otherwise,
                       RopeScalings scalings = RopeScalings::transformers);

/// The same of one section of rope_parameters.
RotaryAngles read_rope_section(const JsonObject& section, int head_size, double theta_otherwise,
                               RopeScalings scalings = RopeScalings::transformers);

/// Adds the table of all angles, which layers with the same ones share.
RotaryPositions rotary_positions(CheckpointTensors& tensors, const RotaryAngles& angles, int head_size, int positions);

}  // namespace octavo
