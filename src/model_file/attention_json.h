// What a model file says about a softmax: of each attention, and of the model.
#pragma once

#include "model_file/fields.h"

#include "octavo/model.h"

namespace octavo {

/// gamma and zeta; what else differs from the ordinary softmax only where it does.
void describe(Fields& object, ClippedSoftmax& softmax);

}  // namespace octavo
