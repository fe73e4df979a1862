// A float32 pass: the order of nodes, and the ops on rows of tokens.
#include "float/float_run.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

/// The row times the transpose of weight [columns, width of the row].
Eigen::ArrayXf projected(ConstRow weight, ConstRow row, Eigen::Index columns) {
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> rows(
      weight.data(), columns, row.size());
  return (rows * row.matrix()).array();
}

void activate(Rows rows, Activation activation) {
  if (activation == Activation::relu) rows = rows.max(0.0f);
  if (activation == Activation::tanh) rows = rows.unaryExpr([](float x) { return std::tanh(x); });
  if (activation == Activation::gelu)
    rows = rows.unaryExpr([](float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); });
}

}  // namespace

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
      batch(ragged),
      workspace(data),
      observer(hooks.observer),
      stages(hooks.stages),
      transform(hooks.transform),
      editor(hooks.editor) {
  choose({});
}

void FloatExecutor::Run::choose(std::span<const std::int32_t> rows) {
  chosen = rows;
  slots = workspace.buffers_of(model.plan, {padded_rows(batch.rows()), padded_rows(batch.sequences()),
                                            padded_rows(static_cast<int>(chosen.size()))});
}

void FloatExecutor::Run::choose_all() {
  all_rows.resize(static_cast<std::size_t>(batch.rows()));
  std::iota(all_rows.begin(), all_rows.end(), 0);
  choose(all_rows);
}

void FloatExecutor::Run::run(const std::vector<bool>& needed) {
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    const Node& node = model.data->graph.nodes[i];
    workspace.node(i, [&] { std::visit([&](const auto& op) { execute(op, node); }, node.op); });
    observe(model.name(node.output), at(node.output), rows_of(node.output), model.columns(node.output));
  }
}

Tensor FloatExecutor::Run::result(ValueId value) const {
  Tensor result(DType::f32, {rows_of(value), model.columns(value)});
  std::copy_n(at(value), result.elements(), result.writable<float>().data());
  return result;
}

void FloatExecutor::Run::execute(const EmbedTokens& op, const Node& node) {
  const Rows out = rows(node.output);
  const auto add = [&](Row row, const std::string& table, std::int32_t index) {
    row += model.bound(table).segment(index * out.cols(), out.cols());
  };
  const auto row_of = [&](std::size_t token) {
    return Row(at(node.output) + static_cast<Eigen::Index>(token) * out.cols(), out.cols());
  };
  const auto rows_count = static_cast<std::size_t>(out.rows());
  for (std::size_t token = 0; token < rows_count; ++token) {
    const Tensor values = model.word(op.word, batch.ids[token]);
    const ConstRow word(values.as<float>().data(), values.elements());
    row_of(token) = op.projection.empty() ? word : projected(model.bound(op.projection), word, out.cols());
    if (!op.type.empty()) add(row_of(token), op.type, batch.types[token]);
  }
  change(node, Stage::partial);
  for (std::size_t token = 0; token < rows_count; ++token) add(row_of(token), op.position, batch.positions[token]);
  change(node);
}

void FloatExecutor::Run::execute(const LayerNormOp& op, const Node& node) {
  const int width = model.columns(node.output) / op.groups;
  normalise(op.weights, at(node.inputs[0]), at(node.output), Eigen::Index{rows_of(node.output)} * op.groups, width);
  change(node);
}

void FloatExecutor::Run::normalise(const NormWeights& norm, const float* from, float* to, Eigen::Index rows,
                                   Eigen::Index columns) const {
  const ConstRow gain = model.bound(norm.gain), bias = model.bound(norm.bias);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const ConstRow in(from + i * columns, columns);
    Row out(to + i * columns, columns);
    out = in - in.mean();
    const double variance = static_cast<double>(out.square().mean());
    out = out * static_cast<float>(1.0 / std::sqrt(variance + norm.epsilon)) * gain + bias;
  }
}

void FloatExecutor::Run::execute(const Linear& op, const Node& node) {
  multiply(node);
  if (op.makes == Form::s16 && op.activation != Activation::none) {  // bytes have theirs in the product
    observe_product(node);
    activate(rows(node.output), op.activation);
  }
  change(node);
}

void FloatExecutor::Run::execute(const LinearAdd&, const Node& node) {
  multiply(node);
  change(node, Stage::product);
  observe_product(node);
  Rows out = rows(node.output);
  out += rows(node.inputs[1]);
  change(node);
}

void FloatExecutor::Run::execute(const QkvProduct& op, const Node& node) {
  multiply(node);
  if (editor) edit_blocks(op, node.output);
  int first = 0;
  if (transform) {
    for (const LinearBlock* block : {&op.query, &op.key, &op.value}) change_block(*block, node.output, first);
  }
  if (!observer) return;
  first = 0;
  for (const LinearBlock* block : {&op.query, &op.key, &op.value}) observe_block(*block, node.output, first);
  for (const LinearBlock& block : op.gate) observe_block(block, node.output, first);
}

void FloatExecutor::Run::change_block(const LinearBlock& block, ValueId value, int& first) const {
  Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> copy =
      rows(value).middleCols(first, block.columns);
  change(block.name, copy.data(), static_cast<std::size_t>(copy.size()));
  rows(value).middleCols(first, block.columns) = copy;
  first += block.columns;
}

void FloatExecutor::Run::observe_block(const LinearBlock& block, ValueId value, int& first) const {
  const Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> copy =
      rows(value).middleCols(first, block.columns);
  observe(block.name, copy.data(), batch.rows(), block.columns);
  first += block.columns;
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

void FloatExecutor::Run::edit_blocks(const QkvProduct& op, ValueId value) const {
  int first = 0;
  for (const LinearBlock* block : {&op.query, &op.key, &op.value}) {
    auto columns = rows(value).middleCols(first, block->columns);
    Eigen::Array<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> copy = columns;
    editor(block->name, {copy.data(), static_cast<std::size_t>(copy.size())}, block->columns);
    columns = copy;
    first += block->columns;
  }
}

}  // namespace octavo
