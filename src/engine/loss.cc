#include "engine/loss.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>

namespace octavo {

double loss_of(std::span<const float> logits, std::int32_t target) {
  constexpr Eigen::Index kPart = 512;  // added up in f32
  const Eigen::Map<const Eigen::ArrayXf> all(logits.data(), std::ssize(logits));
  const float largest = all.maxCoeff();
  double sum = 0.0;
  for (Eigen::Index first = 0; first < all.size(); first += kPart) {
    sum += static_cast<double>((all.segment(first, std::min(kPart, all.size() - first)) - largest).exp().sum());
  }
  return static_cast<double>(largest) + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

}  // namespace octavo
