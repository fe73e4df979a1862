// Documents in the order of how well they answer a query.
#include "tasks/score_functions.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <algorithm>

namespace octavo {

std::vector<float> rank_scores(const Engine& engine, const TokenBatch& batch, Workspace& workspace) {
  const ModelInfo& info = engine.model().info();
  require_task(engine.model(), TextTask::sequence_classification);
  if (info.classes != 1) {
    throw Error(info.name + ": has " + std::to_string(info.classes) +
                " classes, expected one: how well two texts go together");
  }
  return scores_of(engine.logits(batch, workspace).as<float>(), info.pair_function);
}

std::vector<RankedDocument> ranked(std::span<const float> scores, std::optional<int> count) {
  std::vector<RankedDocument> result;
  for (std::size_t i = 0; i < scores.size(); ++i) result.push_back({.index = i, .score = scores[i]});
  std::ranges::stable_sort(result, std::ranges::greater(), &RankedDocument::score);
  if (count) result.resize(std::min(result.size(), static_cast<std::size_t>(std::max(*count, 0))));
  return result;
}

}  // namespace octavo
