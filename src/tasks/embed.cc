// Embeddings: pooling, the modules behind it, truncation, normalisation; and how close two of them are.
#include "base/cosine.h"
#include "base/finite.h"
#include "tasks/embedding_modules.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>

namespace octavo {
namespace {

constexpr std::string_view kPoolerOutput = "pooler_output";

/// The output that embeddings are; none where they are pooled rows.
const OutputInfo* output_of(const Model& model, const EmbedOptions& options) {
  const ModelInfo& info = model.info();
  if (options.pooler && !options.pooling.empty())
    throw Error("pooler and pooling exclude each other: an embedding is one or the other");
  const std::string_view name = options.pooler            ? kPoolerOutput
                                : options.pooling.empty() ? std::string_view(info.embedding.output)
                                                          : "";
  if (name.empty()) return nullptr;
  const auto found = std::ranges::find(info.outputs, name, &OutputInfo::name);
  if (found == info.outputs.end()) throw Error(info.name + ": the checkpoint has no pooler");
  return &*found;
}

/// What the options leave to the checkpoint, taken from there.
struct Choice {
  const OutputInfo* output;  // or, where there is none
  std::vector<Pooling> pooling;
  bool normalize;
  int size;  // of an embedding
};

Choice choose(const Model& model, const EmbedOptions& options) {
  const EmbeddingInfo& info = model.info().embedding;
  Choice choice{.output = output_of(model, options),
                .pooling = options.pooling.empty() ? info.pooling : options.pooling,
                .normalize = options.normalize.value_or(info.normalize),
                .size = 0};
  const int pooled =
      choice.output ? choice.output->columns : static_cast<int>(choice.pooling.size()) * model.info().hidden_size;
  const int whole = columns_behind(data_of(model).modules, pooled);
  choice.size = options.truncate_dim ? *options.truncate_dim : std::min(info.truncate_dim.value_or(whole), whole);
  if (choice.size < 1 || choice.size > whole) {
    throw Error("truncate_dim is " + std::to_string(choice.size) + ", but embeddings of " + model.info().name +
                " have " + std::to_string(whole) + " numbers");
  }
  return choice;
}

/// The first columns of each row.
Tensor first_columns(const Tensor& rows, std::int64_t count) {
  Tensor result(DType::f32, {rows.rows(), count});
  const std::span<const float> in = rows.as<float>();
  float* out = result.writable<float>().data();
  for (std::int64_t i = 0; i < rows.rows(); ++i) {
    const auto row = in.subspan(static_cast<std::size_t>(i * rows.columns()), static_cast<std::size_t>(count));
    out = std::ranges::copy(row, out).out;
  }
  return result;
}

template <typename Batch>
Tensor embed_batch(const Engine& engine, const Batch& batch, Workspace& workspace, const EmbedOptions& options) {
  const Choice choice = choose(engine.model(), options);
  Tensor pooled = choice.output ? engine.output(choice.output->name, batch, workspace)
                                : engine.pool(batch, choice.pooling, workspace);
  Tensor result = apply_modules(data_of(engine.model()), std::move(pooled));
  if (first_not_finite(result.as<float>()) != result.as<float>().size()) {
    throw Error(engine.model().info().name +
                ": an embedding is not a number: what its modules compute is too large for float32");
  }
  if (choice.size < result.columns()) result = first_columns(result, choice.size);
  if (choice.normalize) normalize_rows(result);
  return result;
}

template <typename Term>
double sum(std::span<const float> a, std::span<const float> b, const Term& term) {
  double result = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) result += term(static_cast<double>(a[i]), static_cast<double>(b[i]));
  return result;
}

}  // namespace

int embedding_size(const Model& model, const EmbedOptions& options) { return choose(model, options).size; }

Tensor embed(const Engine& engine, const TokenBatch& batch, Workspace& workspace, const EmbedOptions& options) {
  return embed_batch(engine, batch, workspace, options);
}

Tensor embed(const Engine& engine, const ImageBatch& batch, Workspace& workspace, const EmbedOptions& options) {
  return embed_batch(engine, batch, workspace, options);
}

double similarity(std::span<const float> a, std::span<const float> b, Similarity kind) {
  if (a.size() != b.size()) {
    throw Error("two embeddings have " + std::to_string(a.size()) + " and " + std::to_string(b.size()) +
                " numbers, expected equally many");
  }
  switch (kind) {
    case Similarity::dot:
      return sum(a, b, [](double x, double y) { return x * y; });
    case Similarity::euclidean:
      return -std::sqrt(sum(a, b, [](double x, double y) { return (x - y) * (x - y); }));
    case Similarity::manhattan:
      return -sum(a, b, [](double x, double y) { return std::abs(x - y); });
    default:
      return cosine(a, b);
  }
}

}  // namespace octavo
