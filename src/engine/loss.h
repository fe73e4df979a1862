// How badly logits predict a token.
#pragma once

#include <cstdint>
#include <span>

namespace octavo {

/// The negated natural logarithm of the softmax probability of `target`, one of the logits.
double loss_of(std::span<const float> logits, std::int32_t target);

}  // namespace octavo
