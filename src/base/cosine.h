// Cosine of the angle between two vectors.
#pragma once

#include <span>

namespace octavo {

/// Computes it in double, of two vectors of equal size; of zeros it is 1 with zeros and 0 with anything else.
double cosine(std::span<const float> a, std::span<const float> b);

}  // namespace octavo
