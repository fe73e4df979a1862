// A float32 pass: the order of nodes, what others see of them and may change, and what several ops share.
#include "float/float_run.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {

void FloatExecutor::Run::change(const std::string& name, float* values, std::size_t count) const {
  if (transform) transform(name, {values, count});
}

void FloatExecutor::Run::change(const Node& node) const {
  if (model.data->graph.value(node.output).rows != RowKind::token) return;  // heads have no quantizers of the paper's
  change(model.name(node.output), at(node.output), static_cast<std::size_t>(rows(node.output).size()));
}

void FloatExecutor::Run::change(const Node& node, Stage stage) const {
  if (transform)
    change(stage_name(model.name(node.output), stage), at(node.output),
           static_cast<std::size_t>(rows(node.output).size()));
}

void FloatExecutor::Run::observe(std::string_view name, const float* values, Eigen::Index rows, int columns) const {
  if (observer) observer(name, {values, static_cast<std::size_t>(rows * columns)}, columns);
}

void FloatExecutor::Run::observe_product(const Node& node) const {
  observe(stage_name(model.name(node.output), Stage::product), at(node.output), rows_of(node.output),
          model.columns(node.output));
}

FloatExecutor::Run::Run(const Impl& impl, const RaggedBatch& ragged, Workspace::Data& data, const FloatHooks& hooks)
    : model(impl),
      whole(ragged),
      workspace(data),
      observer(hooks.observer),
      stages(hooks.stages),
      transform(hooks.transform),
      editor(hooks.editor) {
  for (const Value& value : model.data->graph.values) {
    if (value.removed > 0) fewer.try_emplace(value.removed, without_tokens(whole, value.removed));
  }
  choose({});
}

void FloatExecutor::Run::choose(std::span<const std::int32_t> rows) {
  chosen = rows;
  slots = workspace.buffers_of(model.plan, {padded_rows(whole.rows()), padded_rows(whole.sequences()),
                                            padded_rows(static_cast<int>(chosen.size()))});
}

void FloatExecutor::Run::choose_all() {
  all_rows.resize(static_cast<std::size_t>(whole.rows()));
  std::iota(all_rows.begin(), all_rows.end(), 0);
  choose(all_rows);
}

void FloatExecutor::Run::run(const std::vector<bool>& needed) {
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    const Node& node = model.data->graph.nodes[i];
    removed = node.inputs.empty() ? 0 : model.data->graph.value(node.inputs[0]).removed;
    workspace.node(model.data->graph, i, [&] { std::visit([&](const auto& op) { execute(op, node); }, node.op); });
    observe(model.name(node.output), at(node.output), rows_of(node.output), model.columns(node.output));
  }
}

Tensor FloatExecutor::Run::result(ValueId value) const {
  Tensor result(DType::f32, {rows_of(value), model.columns(value)});
  std::copy_n(at(value), result.elements(), result.writable<float>().data());
  return result;
}

void FloatExecutor::Run::normalise(const NormWeights& norm, const float* from, float* to, Eigen::Index rows,
                                   Eigen::Index columns) const {
  const ConstRow gain = model.bound(norm.gain), bias = model.bound(norm.bias);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const ConstRow in(from + i * columns, columns);
    Row out(to + i * columns, columns);
    out = in - (norm.rms ? 0.0f : in.mean());
    const double variance = static_cast<double>(out.square().mean());
    out = out * static_cast<float>(1.0 / std::sqrt(variance + norm.epsilon)) * gain + bias;
  }
}

void FloatExecutor::Run::multiply(const Node& node) {
  const float* x = editor ? edited(node.inputs[0]) : at(node.inputs[0]);
  model.products.of(node)->run(workspace.pool, rows_of(node.output), x, at(node.output));
}

const float* FloatExecutor::Run::edited(ValueId value) const {
  const auto columns = static_cast<std::size_t>(model.columns(value)),
             count = columns * static_cast<std::size_t>(rows_of(value));
  float* copy = workspace.get<float>("float.edited", padded_rows(rows_of(value)) * columns);
  std::copy_n(at(value), count, copy);
  editor(model.name(value), {copy, count}, model.columns(value));
  return copy;
}

}  // namespace octavo
