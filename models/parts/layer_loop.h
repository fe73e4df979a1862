// "layer_loop" of config.json: layers that run several times with the same weights (looped transformers: Yang et al.
// 2024; Gao et al. 2024, AlgoFormer, has layers before and behind them).
#pragma once

#include "graph/model_data.h"
#include "io/json_object.h"

namespace octavo {

/// A checkpoint as one without the loop: layers `first` to `first` + `layers` - 1 (0 and all of them where they are not
/// there) stand `times` times one behind the other in `tensors`, which share memory, and `layers_key` counts all of
/// them. The same config where it has no loop. Throws Error that names the key: `layers_key` null is a family without
/// loops.
JsonObject unroll_layers(const JsonObject& config, const char* layers_key, TensorMap& tensors);

}  // namespace octavo
