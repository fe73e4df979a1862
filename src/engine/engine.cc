#include "octavo/engine.h"

#include "base/finite.h"
#include "engine/engine_data.h"
#include "engine/pooling.h"
#include "runtime/workspace.h"
#include "system/free_memory.h"
#include "system/isa.h"

#include "octavo/error.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace octavo {
namespace {

Executor make_executor(const Model& model, kernels::Isa isa, const std::optional<std::int64_t>& weight_memory) {
  if (model.is_quantized()) return IntegerExecutor(shared_data_of(model), isa);
  try {
    return FloatExecutor(shared_data_of(model), memory_budget(weight_memory));
  } catch (const Error& error) {
    throw Error(model.info().name + ": " + error.what());
  }
}

/// The boundary: codes of the last hidden state become real numbers.
template <typename Code>
Tensor dequantize(std::span<const Code> codes, float scale, std::int64_t rows, std::int64_t columns) {
  Tensor result(DType::f32, {rows, columns});
  const std::span<float> out = result.writable<float>();
  for (std::size_t i = 0; i < codes.size(); ++i) out[i] = scale * static_cast<float>(codes[i]);
  return result;
}

/// Rows that run through all ops together, and of many threads for each: the activations of more leave the caches.
constexpr int kRowsTogether = 4096, kRowsOfThread = 512;

/// Rows that `make` gives of a batch; of a large one part by part.
template <typename Make>
Tensor part_by_part(const RaggedBatch& batch, int threads, const Make& make) {
  const int most = std::max(kRowsTogether, kRowsOfThread * threads);
  if (batch.rows() <= most) return make(batch);
  std::vector<Tensor> parts;
  std::int64_t rows = 0;
  for (int first = 0; first < batch.sequences();) {
    int count = 1;
    while (first + count < batch.sequences() && batch.start[first + count + 1] - batch.start[first] <= most) ++count;
    parts.push_back(make(sequences_of(batch, first, count)));
    rows += parts.back().rows();
    first += count;
  }
  Tensor result(DType::f32, {rows, parts.front().columns()});
  auto out = result.writable<float>().begin();
  for (const Tensor& part : parts) out = std::ranges::copy(part.as<float>(), out).out;
  return result;
}

}  // namespace

Engine::Data::Data(Model m, const EngineOptions& options)
    : model(std::move(m)), isa(resolve_isa(options.isa)), executor(make_executor(model, isa, options.weight_memory)) {}

Engine::Engine(Model model, const EngineOptions& options)
    : data_(std::make_unique<const Data>(std::move(model), options)) {}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

const Model& Engine::model() const { return data_->model; }

std::string_view Engine::isa() const {
  return data_->model.is_quantized() ? kernels::isa_status()[static_cast<int>(data_->isa)].name : "float32";
}

void Engine::Data::require_numbers(std::span<const float> values, std::string_view name) const {
  if (first_not_finite(values) == values.size()) return;
  throw Error(model.info().name + ": " + std::string(name) +
              " is not a number: what the model computes is too large for float32");
}

Tensor Engine::Data::value(ValueId value, const RaggedBatch& batch, Workspace& workspace) const {
  if (const auto* reference = std::get_if<FloatExecutor>(&executor)) {
    Tensor result = reference->value(value, batch, data_of(workspace));
    require_numbers(result.as<float>(), data_of(model).graph.name(value));
    return result;
  }
  const auto& integer = std::get<IntegerExecutor>(executor);
  const Value& described = data_of(model).graph.value(value);
  return part_by_part(batch, workspace.threads(), [&](const RaggedBatch& part) {
    const OutputCodes codes = integer.run(value, part, data_of(workspace));
    const std::int64_t rows = part.rows(described, 0);
    return codes.s32.empty() ? dequantize(codes.s16, integer.scale(value), rows, described.columns)
                             : dequantize(codes.s32, integer.scale(value), rows, described.columns);
  });
}

ValueId Engine::Data::output(std::string_view name) const {
  const Graph& graph = data_of(model).graph;
  if (const GraphOutput* found = graph.find_output(name)) return found->value;
  std::string known;
  for (const GraphOutput& output : graph.outputs) known += (known.empty() ? "" : ", ") + output.name;
  throw Error(model.info().name + " has no output " + std::string(name) + "; it has " + known);
}

Tensor Engine::Data::output(std::string_view name, const RaggedBatch& batch, Workspace& workspace) const {
  const ValueId id = output(name);
  if (data_of(model).graph.value(id).rows != RowKind::chosen_token) return value(id, batch, workspace);
  std::vector<std::int32_t> all(static_cast<std::size_t>(batch.rows()));
  std::iota(all.begin(), all.end(), 0);
  return chosen(id, batch, all, workspace);
}

Tensor Engine::Data::pool(const RaggedBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const {
  if (pooling.empty()) throw Error("there is no pooling, expected at least one kind");
  const ValueId hidden = data_of(model).graph.hidden();
  if (data_of(model).graph.value(hidden).removed > 0) return pool_fewer(batch, pooling, workspace);
  const auto* integer = std::get_if<IntegerExecutor>(&executor);
  if (integer && pooling == std::vector{Pooling::mean} && batch.prompts.empty()) {
    return part_by_part(batch, workspace.threads(), [&](const RaggedBatch& part) {
      const OutputCodes codes = integer->run(hidden, part, data_of(workspace));
      const std::span<const std::int32_t> sums = integer->sum_tokens(part, codes.s16, data_of(workspace));
      return mean_of_sums(sums, integer->scale(hidden), part, model.info().hidden_size);
    });
  }
  return pool_rows(value(hidden, batch, workspace), batch, pooling);
}

Tensor Engine::Data::pool_fewer(const RaggedBatch& batch, const std::vector<Pooling>& pooling,
                                Workspace& workspace) const {
  const Value& hidden = data_of(model).graph.value(data_of(model).graph.hidden());
  for (const Pooling kind : pooling) {
    if (kind != Pooling::cls)
      throw Error(model.info().name + " has removed " + std::to_string(hidden.removed) +
                  " tokens of a picture; pooling is " + std::string(name_of(kind)) + ", expected cls");
  }
  return pool_rows(value(data_of(model).graph.hidden(), batch, workspace), without_tokens(batch, hidden.removed),
                   pooling);
}

Tensor Engine::run(const TokenBatch& batch, Workspace& workspace) const {
  return data_->output(kHiddenState, make_ragged(batch, model().info()), workspace);
}

Tensor Engine::run(const ImageBatch& batch, Workspace& workspace) const {
  return data_->output(kHiddenState, make_ragged(batch, model().info()), workspace);
}

Tensor Engine::pool(const TokenBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const {
  return data_->pool(make_ragged(batch, model().info()), pooling, workspace);
}

Tensor Engine::pool(const ImageBatch& batch, const std::vector<Pooling>& pooling, Workspace& workspace) const {
  for (const Pooling kind : pooling) {
    if (kind != Pooling::mean && kind != Pooling::cls)
      throw Error("pooling is " + std::string(name_of(kind)) + ", expected mean or cls for images");
  }
  return data_->pool(make_ragged(batch, model().info()), pooling, workspace);
}

Tensor Engine::output(std::string_view name, const TokenBatch& batch, Workspace& workspace) const {
  return data_->output(name, make_ragged(batch, model().info()), workspace);
}

Tensor Engine::output(std::string_view name, const ImageBatch& batch, Workspace& workspace) const {
  return data_->output(name, make_ragged(batch, model().info()), workspace);
}

Tensor Engine::logits(const ImageBatch& batch, Workspace& workspace) const {
  if (model().info().classes == 0) throw Error(model().info().name + " has no head, so it tells no classes apart");
  return output(kLogits, batch, workspace);
}

}  // namespace octavo
