// A float32 pass: the order of nodes, and the ops on rows of tokens.
#include "float/float_run.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

/// The row times the transpose of weight [columns, width of the row].
Eigen::ArrayXf projected(ConstRow weight, ConstRow row, Eigen::Index columns) {
  const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> rows(
      weight.data(), columns, row.size());
  return (rows * row.matrix()).array();
}

}  // namespace

void FloatExecutor::Run::change(const std::string& name, float* values, std::size_t count) const {
  if (transform) transform(name, {values, count});
}

void FloatExecutor::Run::change(const Node& node, const char* part) const {
  change(model.name(node.output) + part, at(node.output),
         static_cast<std::size_t>(batch.rows()) * static_cast<std::size_t>(model.columns(node.output)));
}

void FloatExecutor::Run::observe(std::string_view name, const float* values, Eigen::Index rows, int columns) const {
  if (observer) observer(name, {values, static_cast<std::size_t>(rows * columns)}, columns);
}

Tensor FloatExecutor::Run::run(const Node& last) {
  for (std::size_t i = 0; i < model.slot_columns.size(); ++i) {
    slots.push_back(workspace.get<float>("float." + std::to_string(i),
                                         padded_rows(batch.rows()) * static_cast<std::size_t>(model.slot_columns[i])));
  }
  for (std::size_t i = 0; i < model.data->graph.nodes.size(); ++i) {
    const Node& node = model.data->graph.nodes[i];
    const bool head = std::holds_alternative<Head>(node.op);
    if (is_head(node.op) && &node != &last && !observer) continue;  // nothing reads its value
    workspace.node(i, [&] { std::visit([&](const auto& op) { execute(op, node); }, node.op); });
    if (std::holds_alternative<LanguageHead>(node.op)) continue;
    observe(model.name(node.output), at(node.output), head ? batch.sequences() : batch.rows(),
            model.columns(node.output));
    if (&node == &last && !observer) break;  // an observer sees everything
  }
  const bool per_sequence = std::holds_alternative<Head>(last.op);
  Tensor result(DType::f32, {per_sequence ? batch.sequences() : batch.rows(), model.columns(last.output)});
  std::copy_n(at(last.output), result.elements(), result.writable<float>().data());
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
  change(node, ".partial");
  for (std::size_t token = 0; token < rows_count; ++token) add(row_of(token), op.position, batch.positions[token]);
  change(node);
}

void FloatExecutor::Run::execute(const LayerNormOp& op, const Node& node) {
  normalise(op, at(node.inputs[0]), at(node.output), batch.rows(), model.columns(node.output));
  change(node);
}

void FloatExecutor::Run::normalise(const LayerNormOp& op, const float* from, float* to, Eigen::Index rows,
                                   Eigen::Index columns) const {
  const ConstRow gain = model.bound(op.gain), bias = model.bound(op.bias);
  for (Eigen::Index i = 0; i < rows; ++i) {
    const ConstRow in(from + i * columns, columns);
    Row out(to + i * columns, columns);
    out = in - in.mean();
    const double variance = static_cast<double>(out.square().mean());
    out = out * static_cast<float>(1.0 / std::sqrt(variance + op.epsilon)) * gain + bias;
  }
}

void FloatExecutor::Run::execute(const Linear&, const Node& node) {
  multiply(node);
  change(node);
}

void FloatExecutor::Run::execute(const LinearAdd&, const Node& node) {
  multiply(node);
  change(node, ".product");
  observe(model.name(node.output) + ".product", at(node.output), batch.rows(), model.columns(node.output));
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
  model.products.of(node)->run(workspace.pool, batch.rows(), x, at(node.output));
}

const float* FloatExecutor::Run::edited(ValueId value) const {
  const auto columns = static_cast<std::size_t>(model.columns(value)),
             count = columns * static_cast<std::size_t>(batch.rows());
  float* copy = workspace.get<float>("float.edited", padded_rows(batch.rows()) * columns);
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
