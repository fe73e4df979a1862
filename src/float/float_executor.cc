#include "float/float_executor.h"

#include "float/float_run.h"
#include "io/safetensors.h"

#include <algorithm>

namespace octavo {

FloatExecutor::Impl::Impl(std::shared_ptr<const Model::Data> model, std::size_t weight_bytes)
    : data(std::move(model)), products(data, weight_bytes) {
  for (const Node& node : data->graph.nodes) bind(node);
  assign_slots();
}

void FloatExecutor::Impl::bind(const Node& node) {
  if (const auto* embed = std::get_if<EmbedTokens>(&node.op)) {
    require_finite(tensor(data->tensors, embed->word), embed->word);  // read row by row later
    bind({embed->position, embed->type, embed->projection});
  } else if (const auto* norm = std::get_if<LayerNormOp>(&node.op)) {
    bind({norm->gain, norm->bias});
  } else if (const auto* attention = std::get_if<AttentionOp>(&node.op)) {
    if (attention->gate) bind({attention->gate->logits});
  } else if (const auto* qkv = std::get_if<QkvProduct>(&node.op)) {
    for (const LinearBlock& block : qkv->gate_output) bind({block.weight, block.bias});
  } else if (const auto* patches = std::get_if<EmbedPatches>(&node.op)) {
    bind({patches->position});
    for (const PrefixRows& rows : patches->prefix) bind({rows.token});
    if (patches->norm) bind({patches->norm->gain, patches->norm->bias});
  } else if (const auto* head = std::get_if<Head>(&node.op)) {
    bind({head->norm.gain, head->norm.bias});
  } else if (const auto* language = std::get_if<LanguageHead>(&node.op)) {
    if (language->projection) projection = float_linear(*data, *language->projection, columns(node.inputs[0]));
  }
}

void FloatExecutor::Impl::bind(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (!name.empty()) tensors.insert_or_assign(std::string(name), to_f32(tensor(data->tensors, name), name));
  }
}

Tensor FloatExecutor::Impl::word(const std::string& table, std::int32_t index) const {
  const Tensor& words = tensor(data->tensors, table);
  const std::size_t row_bytes = static_cast<std::size_t>(words.columns()) * size_of(words.dtype());
  const auto* row = static_cast<const std::byte*>(words.data()) + static_cast<std::size_t>(index) * row_bytes;
  return to_f32(Tensor(words.dtype(), {words.columns()}, nullptr, row), table);
}

void FloatExecutor::Impl::assign_slots() {
  const auto& nodes = data->graph.nodes;
  std::vector<std::size_t> last_use(data->graph.values.size(), 0), free;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const ValueId input : nodes[i].inputs) last_use[static_cast<std::size_t>(input)] = i;
  }
  slot_of.resize(data->graph.values.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (std::holds_alternative<LanguageHead>(nodes[i].op))
      continue;  // a row per token of the vocabulary: made in parts
    if (free.empty()) {
      free.push_back(slot_columns.size());
      slot_columns.push_back(0);
    }
    const std::size_t slot = free.back();
    free.pop_back();
    slot_of[static_cast<std::size_t>(nodes[i].output)] = slot;
    slot_columns[slot] = std::max(slot_columns[slot], columns(nodes[i].output));
    for (const ValueId input : nodes[i].inputs) {
      const std::size_t freed = slot_of[static_cast<std::size_t>(input)];
      const bool last = last_use[static_cast<std::size_t>(input)] == i;
      if (last && std::find(free.begin(), free.end(), freed) == free.end()) free.push_back(freed);
    }
  }
}

FloatExecutor FloatExecutor::with_tensors(std::size_t node, TensorMap tensors) const {
  Impl changed = *impl_;
  auto data = std::make_shared<Model::Data>(*changed.data);
  for (auto& [name, tensor] : tensors) data->tensors.insert_or_assign(name, std::move(tensor));
  changed.data = std::move(data);
  const Node& bound = changed.data->graph.nodes[node];
  changed.bind(bound);
  changed.products = changed.products.with(changed.data, bound);
  FloatExecutor result = *this;
  result.impl_ = std::make_shared<const Impl>(std::move(changed));
  return result;
}

FloatExecutor::FloatExecutor(std::shared_ptr<const Model::Data> data, std::size_t weight_bytes)
    : impl_(std::make_shared<const Impl>(std::move(data), weight_bytes)) {}

Tensor FloatExecutor::run(const RaggedBatch& batch, Workspace::Data& workspace, const Observer& observer,
                          ObserveStages stages, const Transform& transform, const Editor& editor) const {
  const Graph& graph = impl_->data->graph;
  const auto last = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                 [&](const Node& node) { return node.output == graph.hidden(); });
  return Run{.model = *impl_,
             .batch = batch,
             .workspace = workspace,
             .observer = observer,
             .stages = stages,
             .transform = transform,
             .editor = editor}
      .run(*last);
}

Tensor FloatExecutor::logits(const RaggedBatch& batch, Workspace::Data& workspace) const {
  const Observer nobody;
  const Transform unchanged;
  const Editor unedited;
  return Run{.model = *impl_,
             .batch = batch,
             .workspace = workspace,
             .observer = nobody,
             .stages = ObserveStages::values,
             .transform = unchanged,
             .editor = unedited}
      .run(*impl_->data->graph.head());
}

}  // namespace octavo
