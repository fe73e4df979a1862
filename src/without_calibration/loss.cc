// The loss without Eigen's vectors.
#include "engine/loss.h"

#include <algorithm>
#include <cmath>

namespace octavo {

double loss_of(std::span<const float> logits, std::int32_t target) {
  const float largest = *std::ranges::max_element(logits);
  double sum = 0.0;
  for (const float logit : logits) sum += static_cast<double>(std::exp(logit - largest));
  return static_cast<double>(largest) + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

}  // namespace octavo
