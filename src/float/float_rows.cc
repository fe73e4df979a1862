// Ops on rows of tokens in float32: embeddings, linear layers, sums of the residual stream, LayerNorm.
#include "float/float_run.h"

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

void activate(Rows rows, Activation activation) {
  if (activation == Activation::relu) rows = rows.max(0.0f);
  if (activation == Activation::tanh) rows = rows.unaryExpr([](float x) { return std::tanh(x); });
  if (activation == Activation::gelu)
    rows = rows.unaryExpr([](float x) { return 0.5f * x * (1.0f + std::erf(x * 0.70710678f)); });
  if (activation == Activation::gelu_new) {
    rows = rows.unaryExpr(
        [](float x) { return 0.5f * x * (1.0f + std::tanh(0.79788456f * (x + 0.044715f * x * x * x))); });
  }
  if (activation == Activation::quick_gelu) rows = rows / (1.0f + (-1.702f * rows).exp());
  if (activation == Activation::silu) rows = rows / (1.0f + (-rows).exp());
}

template <>
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
    const Tensor values = model.word(op.word, batch().ids[token]);
    const ConstRow word(values.as<float>().data(), values.elements());
    row_of(token) = op.projection.empty() ? word : projected(model.bound(op.projection), word, out.cols());
    if (!op.type.empty()) add(row_of(token), op.type, batch().types[token]);
  }
  change(node, Stage::partial);
  for (std::size_t token = 0; token < rows_count && !op.position.empty(); ++token)
    add(row_of(token), op.position, batch().positions[token]);
  change(node);
}

template <>
void FloatExecutor::Run::execute(const Linear& op, const Node& node) {
  multiply(node);
  if (op.makes == Form::s16 && op.activation != Activation::none) {  // bytes have theirs in the product
    observe_product(node);
    activate(rows(node.output), op.activation);
  }
  change(node);
}

template <>
void FloatExecutor::Run::execute(const LinearAdd&, const Node& node) {
  multiply(node);
  change(node, Stage::product);
  observe_product(node);
  Rows out = rows(node.output);
  out += rows(node.inputs[1]);
  change(node);
}

template <>
void FloatExecutor::Run::execute(const LayerNormOp& op, const Node& node) {
  const int width = model.columns(node.output) / op.groups;
  normalise(op.weights, at(node.inputs[0]), at(node.output), Eigen::Index{rows_of(node.output)} * op.groups, width);
  change(node);
}

}  // namespace octavo
