// From logits to the likeliest classes.
#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace octavo {
namespace {

std::vector<ClassScore> best_of(std::span<const float> logits, int count) {
  std::vector<ClassScore> scores(logits.size());
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x - largest));
  for (std::size_t i = 0; i < logits.size(); ++i) {
    scores[i] = {.id = static_cast<int>(i),
                 .score = static_cast<float>(std::exp(static_cast<double>(logits[i] - largest)) / sum)};
  }
  const auto better = [&](const ClassScore& a, const ClassScore& b) {
    const float x = logits[static_cast<std::size_t>(a.id)], y = logits[static_cast<std::size_t>(b.id)];
    return x > y || (x == y && a.id < b.id);
  };
  const std::size_t kept = std::min(static_cast<std::size_t>(std::max(count, 0)), scores.size());
  std::partial_sort(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(kept), scores.end(), better);
  scores.resize(kept);
  return scores;
}

}  // namespace

std::vector<std::vector<ClassScore>> best_classes(const Tensor& logits, int count) {
  std::vector<std::vector<ClassScore>> result;
  const auto columns = static_cast<std::size_t>(logits.columns());
  for (std::size_t first = 0; columns > 0 && first < logits.as<float>().size(); first += columns) {
    result.push_back(best_of(logits.as<float>().subspan(first, columns), count));
  }
  return result;
}

std::vector<std::vector<ClassScore>> classify(const Engine& engine, const ImageBatch& batch, Workspace& workspace,
                                              int count) {
  return best_classes(engine.logits(batch, workspace), count);
}

}  // namespace octavo
