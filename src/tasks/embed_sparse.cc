// Sparse embeddings: of the logits of all tokens, for each token of the vocabulary one number, most of them 0.
#include "tasks/masked_logits.h"

#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <mutex>

namespace octavo {
namespace {

/// Sums are of integers, so that they do not depend on the order in which threads add.
constexpr double kUnitsOfSum = 4294967296.0;

double activate(float logit, SparseActivation activation) {
  const double once = std::log1p(std::max(static_cast<double>(logit), 0.0));
  return activation == SparseActivation::log1p_relu ? std::log1p(once) : once;
}

/// What the tokens of one sequence have made of the vocabulary so far.
class VocabularyPool {
 public:
  VocabularyPool(std::size_t vocabulary, const SparseInfo& info) : info_(info) {
    info.pooling_strategy == SparsePooling::max ? largest_.resize(vocabulary) : sums_.resize(vocabulary);
  }

  void add(std::span<const float> logits) {
    const std::lock_guard lock(mutex_);
    if (info_.pooling_strategy == SparsePooling::max) {  // the activation rises
      for (std::size_t i = 0; i < logits.size(); ++i) largest_[i] = std::max(largest_[i], logits[i]);
      return;
    }
    for (std::size_t i = 0; i < logits.size(); ++i) {
      if (logits[i] > 0.0f) sums_[i] += std::llround(activate(logits[i], info_.activation_function) * kUnitsOfSum);
    }
  }

  std::vector<SparseValue> values() const {
    std::vector<SparseValue> result;
    for (std::size_t i = 0; i < std::max(largest_.size(), sums_.size()); ++i) {
      const double value = sums_.empty() ? activate(largest_[i], info_.activation_function)
                                         : static_cast<double>(sums_[i]) / kUnitsOfSum;
      if (value > 0.0) result.push_back({static_cast<std::int32_t>(i), static_cast<float>(value)});
    }
    return result;
  }

 private:
  SparseInfo info_;
  std::mutex mutex_;
  std::vector<float> largest_;  // of logits above 0
  std::vector<std::int64_t> sums_;
};

}  // namespace

std::vector<std::vector<SparseValue>> embed_sparse(const Engine& engine, const TokenBatch& batch, Workspace& workspace,
                                                   const std::optional<SparseInfo>& as) {
  const ModelInfo& info = engine.model().info();
  const ValueId value = masked_logits(engine);
  const SparseInfo form = as.value_or(info.embedding.sparse.value_or(SparseInfo{}));
  const RaggedBatch ragged = make_ragged(batch, info);
  std::vector<std::int32_t> rows;
  std::vector<std::size_t> sequences;  // by row
  std::deque<VocabularyPool> pools;
  for (int i = 0; i < ragged.sequences(); ++i) {
    pools.emplace_back(static_cast<std::size_t>(info.vocab_size), form);
    for (int t = 0; t < ragged.length(i); ++t) {
      rows.push_back(static_cast<std::int32_t>(rows.size()));
      sequences.push_back(static_cast<std::size_t>(i));
    }
  }
  data_of(engine).visit_chosen(value, ragged, rows, workspace, [&](std::size_t row, std::span<const float> logits) {
    pools[sequences[row]].add(logits);
  });
  std::vector<std::vector<SparseValue>> result;
  for (const VocabularyPool& pool : pools) result.push_back(pool.values());
  return result;
}

}  // namespace octavo
