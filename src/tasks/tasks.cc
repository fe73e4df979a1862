#include "octavo/tasks.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace octavo {
namespace {

/// Divides each row by its L2 norm; a row of zeros stays as it is.
void normalize_rows(Tensor& rows) {
  const auto columns = static_cast<std::size_t>(rows.columns());
  const std::span<float> values = rows.writable<float>();
  for (std::size_t first = 0; first < values.size(); first += columns) {
    double squares = 0.0;
    for (const float x : values.subspan(first, columns)) squares += static_cast<double>(x) * static_cast<double>(x);
    if (squares == 0.0) continue;
    const double inverse = 1.0 / std::sqrt(squares);
    for (float& x : values.subspan(first, columns)) x = static_cast<float>(static_cast<double>(x) * inverse);
  }
}

template <typename Batch>
Tensor embed_batch(const Engine& engine, const Batch& batch, Workspace& workspace, const EmbedOptions& options) {
  Tensor result = engine.pool(batch, options.pooling.value_or(engine.model().info().pooling), workspace);
  if (options.normalize) normalize_rows(result);
  return result;
}

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

Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options) {
  return embed_batch(engine, batch, workspace, options);
}

Tensor embed(const Engine& engine, const ImageBatch& batch, Workspace& workspace, const EmbedOptions& options) {
  return embed_batch(engine, batch, workspace, options);
}

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
