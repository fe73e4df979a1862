// What an engine says of the next token.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine_data.h"
#include "octavo/error.h"
#include "workspace.h"

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
  const double largest = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double sum = 0.0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x) - largest);
  return largest + std::log(sum) - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

}  // namespace

void Engine::Data::token_logits(const RaggedBatch& batch, std::span<const std::int32_t> rows, Workspace& workspace,
                                const FloatLogits& visit) const {
  if (const auto* reference = std::get_if<FloatExecutor>(&executor)) return reference->token_logits(batch, rows, workspace.data(), visit);
  const auto& integer = std::get<IntegerExecutor>(executor);
  const float scale = integer.token_logit_scale();
  const std::size_t vocabulary = static_cast<std::size_t>(model.info().vocab_size);
  const std::span<float> logits(workspace.data().get<float>("engine.logits", vocabulary), vocabulary);
  integer.token_logits(batch, rows, workspace.data(), [&](std::size_t index, std::span<const std::int32_t> codes) {
    std::transform(codes.begin(), codes.end(), logits.begin(), [&](std::int32_t code) { return scale * static_cast<float>(code); });
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
  Tensor result = model().is_quantized() ? data_->logits(ragged, rows, workspace) : logits(whole_texts(batch, ragged), workspace);
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
  std::vector<std::int32_t> rows, sequence_of;
  for (int i = 0; i < ragged.sequences(); ++i) {
    for (std::int32_t row = ragged.start[static_cast<std::size_t>(i)]; row + 1 < ragged.start[static_cast<std::size_t>(i) + 1]; ++row) {
      rows.push_back(row);
      sequence_of.push_back(i);
    }
  }
  data_->token_logits(ragged, rows, workspace, [&](std::size_t index, std::span<const float> logits) {
    const std::int32_t next = ragged.ids[static_cast<std::size_t>(rows[index]) + 1];
    result[static_cast<std::size_t>(sequence_of[index])].push_back(loss_of(logits, next));
  });
  return result;
}

}  // namespace octavo
