// Whether pooling, the modules behind it and their tensors fit together.
#pragma once

#include "graph/model_data.h"

namespace octavo {

/// Throws Error naming the module, the tensor or the key: a size that is not what comes before gives, a tensor that is
/// absent, not f32, of another shape, or holds a number that is not finite.
void check_modules(const Model::Data& data);

}  // namespace octavo
