#include "tasks/score_functions.h"

#include <algorithm>
#include <cmath>

namespace octavo {

std::vector<float> scores_of(std::span<const float> logits, ScoreFunction function) {
  std::vector<float> scores(logits.begin(), logits.end());
  if (function == ScoreFunction::none || logits.empty()) return scores;
  if (function == ScoreFunction::sigmoid) {
    for (float& x : scores) x = static_cast<float>(1.0 / (1.0 + std::exp(-static_cast<double>(x))));
    return scores;
  }
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x - largest));
  for (float& x : scores) x = static_cast<float>(std::exp(static_cast<double>(x - largest)) / sum);
  return scores;
}

}  // namespace octavo
