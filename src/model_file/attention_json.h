// What a model file says about the probabilities of an attention.
#pragma once

#include "graph/quantized.h"
#include "io/json_object.h"

#include "octavo/model.h"

namespace octavo {

/// gamma and zeta; what else differs from the ordinary softmax only where it does.
nlohmann::json to_json(const ClippedSoftmax& softmax);
ClippedSoftmax read_softmax(const JsonObject& softmax);

nlohmann::json to_json(const QuantizedLevels& levels);

/// Error unless they keep the contract of kernels::AttentionLevels.
QuantizedLevels read_levels(const JsonObject& levels);

}  // namespace octavo
