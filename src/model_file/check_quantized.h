// Is a quantized model whole? Everything the kernels' contracts ask of tensors, checked once after reading.
#pragma once

#include "graph/model_data.h"

namespace octavo {

/// Throws Error naming the tensor or node, what was found and what was expected. Afterwards the model can be run on any
/// batch that make_ragged() accepts.
void check_quantized(const Model::Data& data);

}  // namespace octavo
