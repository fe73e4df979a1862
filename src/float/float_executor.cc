#include "float/float_executor.h"

#include "float/float_run.h"
#include "graph/op_facts.h"
#include "io/safetensors.h"
#include "runtime/chosen_rows.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo {

FloatExecutor::Impl::Impl(std::shared_ptr<const Model::Data> model, std::size_t weight_bytes)
    : data(std::move(model)), products(data, weight_bytes) {
  for (const Node& node : data->graph.nodes) bind(node);
  std::vector<BufferNeed> needs;
  for (const Node& node : data->graph.nodes) {
    needs.push_back(
        {.value = node.output, .row_bytes = sizeof(float) * static_cast<std::size_t>(columns(node.output))});
  }
  plan = plan_buffers(data->graph, needs);
}

void FloatExecutor::Impl::bind(const Node& node) {
  const OpFacts known = facts(data->graph, node);
  if (!known.words.empty()) require_finite(tensor(data->tensors, known.words), known.words);  // read row by row later
  for (const std::string& name : known.tensors)
    tensors.insert_or_assign(name, to_f32(tensor(data->tensors, name), name));
}

Tensor FloatExecutor::Impl::word(const std::string& table, std::int32_t index) const {
  const Tensor& words = tensor(data->tensors, table);
  const std::size_t row_bytes = static_cast<std::size_t>(words.columns()) * size_of(words.dtype());
  const auto* row = static_cast<const std::byte*>(words.data()) + static_cast<std::size_t>(index) * row_bytes;
  return to_f32(Tensor(words.dtype(), {words.columns()}, nullptr, row), table);
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

Tensor FloatExecutor::run(const RaggedBatch& batch, Workspace::Data& workspace, const FloatHooks& hooks) const {
  const Graph& graph = impl_->data->graph;
  Run run(*impl_, batch, workspace, hooks);
  std::vector<bool> needed = graph.needed_for(graph.hidden());
  if (hooks.observer) {
    run.choose_all();
    for (std::size_t i = 0; i < needed.size(); ++i) needed[i] = !is_chosen_logits(graph, graph.nodes[i]);
  }
  run.run(needed);
  return run.result(graph.hidden());
}

Tensor FloatExecutor::value(ValueId value, const RaggedBatch& batch, Workspace::Data& workspace,
                            const FloatHooks& hooks) const {
  Run run(*impl_, batch, workspace, hooks);
  run.run(impl_->data->graph.needed_for(value));
  return run.result(value);
}

void FloatExecutor::visit_chosen(ValueId value, const RaggedBatch& batch, std::span<const std::int32_t> rows,
                                 Workspace::Data& workspace, const FloatRowVisitor& visit) const {
  const Graph& graph = impl_->data->graph;
  const FloatHooks nobody;
  Run run(*impl_, batch, workspace, nobody);
  std::vector<bool> body = graph.needed_for(value), head = body;
  for (std::size_t i = 0; i < body.size(); ++i)
    (graph.values[i].rows == RowKind::chosen_token ? body : head)[i] = false;
  run.choose(rows.first(std::min(kChosenRows, rows.size())));
  run.run(body);
  const auto columns = static_cast<std::size_t>(graph.columns(value));
  for_chosen_rows(rows, [&](std::size_t first, std::span<const std::int32_t> part) {
    run.choose(part);
    run.run(head);
    workspace.pool.run(static_cast<int>(part.size()), [&](int i, int) {
      const auto row = static_cast<std::size_t>(i);
      visit(first + row, {run.at(value) + row * columns, columns});
    });
  });
}

}  // namespace octavo
