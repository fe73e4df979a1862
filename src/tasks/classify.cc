// From logits to the likeliest classes, of pictures and of texts.
#include "tasks/score_functions.h"

#include "octavo/text_tasks.h"

#include <algorithm>
#include <span>

namespace octavo {
namespace {

std::vector<ClassScore> best_of(std::span<const float> logits, int count, ScoreFunction function) {
  const std::vector<float> values = scores_of(logits, function);
  std::vector<ClassScore> scores(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) scores[i] = {.id = static_cast<int>(i), .score = values[i]};
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

std::vector<std::vector<ClassScore>> best_classes(const Tensor& logits, int count, ScoreFunction function) {
  std::vector<std::vector<ClassScore>> result;
  const auto columns = static_cast<std::size_t>(logits.columns());
  for (std::size_t first = 0; columns > 0 && first < logits.as<float>().size(); first += columns) {
    result.push_back(best_of(logits.as<float>().subspan(first, columns), count, function));
  }
  return result;
}

std::vector<std::vector<ClassScore>> classify(const Engine& engine, const ImageBatch& batch, Workspace& workspace,
                                              int count) {
  return best_classes(engine.logits(batch, workspace), count, engine.model().info().score_function);
}

std::vector<std::vector<ClassScore>> classify(const Engine& engine, const TokenBatch& batch, Workspace& workspace,
                                              std::optional<int> count, std::optional<ScoreFunction> function) {
  require_task(engine.model(), TextTask::sequence_classification);
  return classes_of(engine.model(), engine.logits(batch, workspace), count, function);
}

std::vector<std::vector<ClassScore>> classes_of(const Model& model, const Tensor& logits, std::optional<int> count,
                                                std::optional<ScoreFunction> function) {
  require_task(model, TextTask::sequence_classification);
  const ModelInfo& info = model.info();
  const bool several = info.score_function == ScoreFunction::sigmoid;
  return best_classes(logits, count.value_or(several ? info.classes : 1), function.value_or(info.score_function));
}

std::string label_of(const Model& model, int id) {
  const std::vector<std::string>& labels = model.labels();
  return labels.empty() ? "LABEL_" + std::to_string(id) : labels.at(static_cast<std::size_t>(id));
}

}  // namespace octavo
