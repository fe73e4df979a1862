#include "float_executor.h"

#include <algorithm>

#include "float_run.h"
#include "safetensors.h"

namespace octavo {
namespace {

Tensor floats(const TensorMap& tensors, const std::string& name) { return to_f32(tensor(tensors, name), name); }

/// Rows of one weight matrix, put together from the blocks of a product.
struct Stacked {
  std::vector<float> weight, bias;

  void add(const TensorMap& tensors, const LinearBlock& block) {
    append(weight, floats(tensors, block.weight));
    if (block.bias.empty()) bias.resize(bias.size() + static_cast<std::size_t>(block.columns));
    else append(bias, floats(tensors, block.bias));
  }

  /// Rows that are zero but for a slice from column `first` on.
  void add_slice(const TensorMap& tensors, const LinearBlock& block, int inputs, int first) {
    const Tensor slice = floats(tensors, block.weight);
    const auto width = static_cast<std::size_t>(slice.columns());
    for (auto row = slice.as<float>().begin(); row != slice.as<float>().end(); row += static_cast<std::ptrdiff_t>(width)) {
      weight.resize(weight.size() + static_cast<std::size_t>(inputs));
      std::copy_n(row, width, weight.end() - inputs + first);
    }
    append(bias, floats(tensors, block.bias));
  }

 private:
  static void append(std::vector<float>& to, const Tensor& values) {
    to.insert(to.end(), values.as<float>().begin(), values.as<float>().end());
  }
};

Stacked stacked(const TensorMap& tensors, const LinearBlock& block) {
  Stacked rows;
  rows.add(tensors, block);
  return rows;
}

}  // namespace

FloatExecutor::Impl::Impl(std::shared_ptr<const Model::Data> model) : data(std::move(model)) {
  for (const Node& node : data->graph.nodes) std::visit([&](const auto& op) { bind(op, node); }, node.op);
  assign_slots();
}

void FloatExecutor::Impl::bind(const EmbedTokens& op, const Node&) {
  for (const std::string* name : {&op.word, &op.position, &op.type, &op.projection}) bind_tensor(*name);
}

void FloatExecutor::Impl::bind(const LayerNormOp& op, const Node&) {
  bind_tensor(op.gain);
  bind_tensor(op.bias);
}

void FloatExecutor::Impl::bind(const AttentionOp& op, const Node&) {
  if (op.gate) bind_tensor(op.gate->logits);
}

void FloatExecutor::Impl::bind(const Linear& op, const Node& node) {
  const Stacked rows = stacked(data->tensors, op.weights);
  products[node.output] = std::make_shared<const FloatLinear>(columns(node.inputs[0]), columns(node.output), rows.weight, rows.bias, op.activation);
}

void FloatExecutor::Impl::bind(const LinearAdd& op, const Node& node) {
  const Stacked rows = stacked(data->tensors, op.weights);
  products[node.output] = std::make_shared<const FloatLinear>(columns(node.inputs[0]), columns(node.output), rows.weight, rows.bias, Activation::none);
}

void FloatExecutor::Impl::bind(const QkvProduct& op, const Node& node) {
  Stacked rows;
  for (const LinearBlock* block : {&op.query, &op.key, &op.value}) rows.add(data->tensors, *block);
  const int inputs = columns(node.inputs[0]);
  for (int h = 0; h < static_cast<int>(op.gate.size()); ++h) {
    const LinearBlock& block = op.gate[static_cast<std::size_t>(h)];
    if (op.gate_kind == GateKind::all_heads) rows.add(data->tensors, block);
    else rows.add_slice(data->tensors, block, inputs, h * (inputs / op.heads));
  }
  for (const LinearBlock& block : op.gate_output) {
    bind_tensor(block.weight);
    bind_tensor(block.bias);
  }
  products[node.output] = std::make_shared<const FloatLinear>(inputs, columns(node.output), rows.weight, rows.bias, Activation::none);
}

void FloatExecutor::Impl::bind(const EmbedPatches& op, const Node& node) {
  bind_tensor(op.position);
  for (const PrefixRows& rows : op.prefix) bind_tensor(rows.token);
  if (op.norm) bind(*op.norm, node);
  const Stacked rows = stacked(data->tensors, op.projection);
  const int inputs = 3 * op.patch_size * op.patch_size;
  products[node.output] = std::make_shared<const FloatLinear>(inputs, op.projection.columns, rows.weight, rows.bias, Activation::none);
}

void FloatExecutor::Impl::bind(const Head& op, const Node& node) {
  bind(op.norm, node);
  const Stacked rows = stacked(data->tensors, op.weights);
  products[node.output] = std::make_shared<const FloatLinear>(head_inputs(op, node), op.weights.columns, rows.weight, rows.bias, Activation::none);
}

void FloatExecutor::Impl::bind(const LanguageHead& op, const Node& node) {
  int inputs = columns(node.inputs[0]);
  if (op.projection) {
    const Stacked rows = stacked(data->tensors, *op.projection);
    projection = std::make_shared<const FloatLinear>(inputs, op.projection->columns, rows.weight, rows.bias, Activation::none);
    inputs = op.projection->columns;
  }
  const Stacked rows = stacked(data->tensors, op.weights);
  products[node.output] = std::make_shared<const FloatLinear>(inputs, op.weights.columns, rows.weight, rows.bias, Activation::none);
}

void FloatExecutor::Impl::bind_tensor(const std::string& name) {
  if (!name.empty()) tensors.insert_or_assign(name, floats(data->tensors, name));
}

void FloatExecutor::Impl::assign_slots() {
  const auto& nodes = data->graph.nodes;
  std::vector<std::size_t> last_use(data->graph.values.size(), 0), free;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const ValueId input : nodes[i].inputs) last_use[static_cast<std::size_t>(input)] = i;
  }
  slot_of.resize(data->graph.values.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (std::holds_alternative<LanguageHead>(nodes[i].op)) continue;  // a row per token of the vocabulary: made in parts
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
  std::visit([&](const auto& op) { changed.bind(op, bound); }, bound.op);
  FloatExecutor result = *this;
  result.impl_ = std::make_shared<const Impl>(std::move(changed));
  return result;
}

FloatExecutor::FloatExecutor(std::shared_ptr<const Model::Data> data) : impl_(std::make_shared<const Impl>(std::move(data))) {}

Tensor FloatExecutor::run(const RaggedBatch& batch, Workspace::Data& workspace, const Observer& observer,
                          ObserveStages stages, const Transform& transform, const Editor& editor) const {
  const Graph& graph = impl_->data->graph;
  const auto last = std::find_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.output == graph.hidden(); });
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
