#include "octavo/comparison.h"

#include "base/cosine.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>

namespace octavo {

void Closeness::add(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) throw Error("two sets of vectors to compare differ in shape");
  const std::span<const float> values_a = a.as<float>(), values_b = b.as<float>();
  const auto columns = static_cast<std::size_t>(a.columns());
  for (std::size_t at = 0; at < values_a.size(); at += columns) {
    const double value = cosine(values_a.subspan(at, columns), values_b.subspan(at, columns));
    lowest_ = count_ == 0 ? value : std::min(lowest_, value);
    sum_ += value;
    ++count_;
  }
}

bool answers_logits(const ModelInfo& info) { return info.decoder || (info.image && info.classes > 1); }

Tensor answer(const Engine& engine, const TokenBatch& batch, Workspace& workspace) {
  return answers_logits(engine.model().info()) ? engine.logits(batch, workspace) : embed(engine, batch, workspace);
}

Tensor answer(const Engine& engine, const ImageBatch& batch, Workspace& workspace) {
  return answers_logits(engine.model().info()) ? engine.logits(batch, workspace) : embed(engine, batch, workspace);
}

void Comparison::add(const Engine& reference, const TokenBatch& batch, Workspace& workspace) {
  expected_.push_back(answer(reference, batch, workspace));
  batches_.emplace_back(batch);
}

void Comparison::add(const Engine& reference, const ImageBatch& batch, Workspace& workspace) {
  expected_.push_back(answer(reference, batch, workspace));
  batches_.emplace_back(batch);
}

Closeness Comparison::closeness(const Engine& engine, Workspace& workspace) const {
  Closeness result;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const auto found = [&](const auto& batch) { return answer(engine, batch, workspace); };
    result.add(std::visit(found, batches_[i]), expected_[i]);
  }
  return result;
}

}  // namespace octavo
