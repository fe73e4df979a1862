// From the logits of a row to scores.
#pragma once

#include "octavo/model.h"

#include <span>
#include <vector>

namespace octavo {

/// A score per logit; the softmax is over all of them. Computed in double.
std::vector<float> scores_of(std::span<const float> logits, ScoreFunction function);

}  // namespace octavo
