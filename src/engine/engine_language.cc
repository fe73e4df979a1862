// What an engine says of the next token.
#include "engine/engine_data.h"
#include "runtime/workspace.h"

#include "octavo/error.h"

#include <Eigen/Core>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

namespace octavo {
namespace {

void require_decoder(const ModelInfo& info) {
  if (!info.decoder) throw Error(info.name + " does not predict the next token, expected a decoder such as OPT");
}

/// The texts that caches hold the beginnings of.
TokenBatch whole_texts(const TokenBatch& batch, const RaggedBatch& ragged) {
  TokenBatch result;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    Tokens text{.ids = ragged.caches[i]->ids};
    text.ids.insert(text.ids.end(), batch.sequences[i].ids.begin(), batch.sequences[i].ids.end());
    result.sequences.push_back(std::move(text));
  }
  return result;
}

/// -ln of the probability of `target`.
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

}  // namespace

void Engine::Data::token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace& workspace,
                                const FloatLogits& visit) const {
  if (const auto* reference = std::get_if<FloatExecutor>(&executor))
    return reference->token_logits(batch, rows, workspace.data(),
                                   [&](std::size_t index, std::span<const float> logits) {
                                     require_numbers(logits, "a logit");
                                     visit(index, logits);
                                   });
  const auto& integer = std::get<IntegerExecutor>(executor);
  const float scale = integer.token_logit_scale();
  const std::size_t vocabulary = static_cast<std::size_t>(model.info().vocab_size);
  auto* floats =
      workspace.data().get<float>("engine.logits", vocabulary * static_cast<std::size_t>(workspace.threads()));
  integer.token_logits(
      batch, rows, workspace.data(), [&](std::size_t index, int thread, std::span<const std::int32_t> codes) {
        const std::span<float> logits(floats + static_cast<std::size_t>(thread) * vocabulary, vocabulary);
        std::transform(codes.begin(), codes.end(), logits.begin(),
                       [&](std::int32_t code) { return scale * static_cast<float>(code); });
        visit(index, logits);
      });
}

Tensor Engine::Data::logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace& workspace) const {
  Tensor result(DType::f32, {static_cast<std::int64_t>(rows.size()), model.info().vocab_size});
  const std::span<float> out = result.writable<float>();
  token_logits(batch, rows, workspace, [&](std::size_t index, std::span<const float> logits) {
    std::copy(logits.begin(), logits.end(), out.begin() + static_cast<std::ptrdiff_t>(index * logits.size()));
  });
  return result;
}

Tensor Engine::logits(const TokenBatch& batch, Workspace& workspace, LogitRows which) const {
  require_decoder(model().info());
  const RaggedBatch ragged = make_ragged(batch, model().info());
  std::vector<std::int32_t> rows;
  if (which == LogitRows::all) {
    rows.resize(static_cast<std::size_t>(ragged.rows()));
    std::iota(rows.begin(), rows.end(), 0);
  } else {
    for (int i = 1; i <= ragged.sequences(); ++i) rows.push_back(ragged.start[static_cast<std::size_t>(i)] - 1);
  }
  return data_->logits(ragged, rows, workspace);
}

Tensor Engine::decode(const TokenBatch& batch, std::span<KvCache* const> caches, Workspace& workspace) const {
  require_decoder(model().info());
  const RaggedBatch ragged = make_ragged(batch, caches, model());
  std::vector<std::int32_t> rows;
  for (int i = 1; i <= ragged.sequences(); ++i) rows.push_back(ragged.start[static_cast<std::size_t>(i)] - 1);
  Tensor result =
      model().is_quantized() ? data_->logits(ragged, rows, workspace) : logits(whole_texts(batch, ragged), workspace);
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    KvCache::Data& cache = *ragged.caches[i];
    cache.ids.insert(cache.ids.end(), batch.sequences[i].ids.begin(), batch.sequences[i].ids.end());
    cache.length = static_cast<int>(cache.ids.size());
  }
  return result;
}

std::vector<std::vector<double>> Engine::losses(const TokenBatch& batch, Workspace& workspace) const {
  require_decoder(model().info());
  const RaggedBatch ragged = make_ragged(batch, model().info());
  std::vector<std::vector<double>> result(static_cast<std::size_t>(ragged.sequences()));
  std::vector<std::int32_t> rows;
  std::vector<double*> losses;  // by row
  for (int i = 0; i < ragged.sequences(); ++i) {
    std::vector<double>& own = result[static_cast<std::size_t>(i)];
    own.resize(static_cast<std::size_t>(ragged.length(i)) - 1);
    for (std::size_t t = 0; t < own.size(); ++t) {
      rows.push_back(ragged.start[static_cast<std::size_t>(i)] + static_cast<std::int32_t>(t));
      losses.push_back(&own[t]);
    }
  }
  data_->token_logits(ragged, rows, workspace, [&](std::size_t index, std::span<const float> logits) {
    *losses[index] = loss_of(logits, ragged.ids[static_cast<std::size_t>(rows[index]) + 1]);
  });
  return result;
}

}  // namespace octavo
