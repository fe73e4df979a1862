// Rows of chosen tokens, and what an engine says of the next token.
#include "engine/engine_data.h"
#include "engine/loss.h"
#include "runtime/workspace.h"

#include "octavo/error.h"

#include <algorithm>
#include <iterator>
#include <numeric>

namespace octavo {
namespace {

void require_decoder(const ModelInfo& info) {
  if (!info.decoder) throw Error(info.name + " does not predict the next token, expected a decoder such as OPT");
}

/// The last row of each sequence.
std::vector<std::int32_t> last_rows(const RaggedBatch& ragged) {
  std::vector<std::int32_t> rows;
  for (int i = 1; i <= ragged.sequences(); ++i) rows.push_back(ragged.start[static_cast<std::size_t>(i)] - 1);
  return rows;
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

}  // namespace

void Engine::Data::visit_chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                                Workspace& workspace, const FloatRowVisitor& visit) const {
  if (const auto* reference = std::get_if<FloatExecutor>(&executor))
    return reference->visit_chosen(value, batch, rows, data_of(workspace),
                                   [&](std::size_t index, std::span<const float> row) {
                                     require_numbers(row, data_of(model).graph.name(value));
                                     visit(index, row);
                                   });
  const auto& integer = std::get<IntegerExecutor>(executor);
  const float scale = integer.scale(value);
  const auto columns = static_cast<std::size_t>(data_of(model).graph.columns(value));
  auto* floats =
      data_of(workspace).get<float>("engine.chosen", columns * static_cast<std::size_t>(workspace.threads()));
  integer.visit_chosen(value, batch, rows, data_of(workspace),
                       [&](std::size_t index, int thread, const OutputCodes& row) {
                         const std::span<float> own(floats + static_cast<std::size_t>(thread) * columns, columns);
                         const auto real = [&](auto code) { return scale * static_cast<float>(code); };
                         if (row.s32.empty())
                           std::transform(row.s16.begin(), row.s16.end(), own.begin(), real);
                         else
                           std::transform(row.s32.begin(), row.s32.end(), own.begin(), real);
                         visit(index, own);
                       });
}

Tensor Engine::Data::chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                            Workspace& workspace) const {
  Tensor result(DType::f32, {static_cast<std::int64_t>(rows.size()), data_of(model).graph.columns(value)});
  const std::span<float> out = result.writable<float>();
  visit_chosen(value, batch, rows, workspace, [&](std::size_t index, std::span<const float> row) {
    std::copy(row.begin(), row.end(), out.begin() + static_cast<std::ptrdiff_t>(index * row.size()));
  });
  return result;
}

Tensor Engine::logits(const TokenBatch& batch, Workspace& workspace, LogitRows which) const {
  const RaggedBatch ragged = make_ragged(batch, model().info());
  if (!model().info().decoder || which == LogitRows::all) return data_->output(kLogits, ragged, workspace);
  return data_->chosen(data_->output(kLogits), ragged, last_rows(ragged), workspace);
}

Tensor Engine::decode(const TokenBatch& batch, std::span<KvCache* const> caches, Workspace& workspace) const {
  require_decoder(model().info());
  const RaggedBatch ragged = make_ragged(batch, caches, model());
  Tensor result = model().is_quantized() ? data_->chosen(data_->output(kLogits), ragged, last_rows(ragged), workspace)
                                         : logits(whole_texts(batch, ragged), workspace);
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
  data_->visit_chosen(data_->output(kLogits), ragged, rows, workspace,
                      [&](std::size_t index, std::span<const float> logits) {
                        *losses[index] = loss_of(logits, ragged.ids[static_cast<std::size_t>(rows[index]) + 1]);
                      });
  return result;
}

}  // namespace octavo
