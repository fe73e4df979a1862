#include "float/float_products.h"

#include "graph/op_facts.h"
#include "io/safetensors.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace octavo {
namespace {

Tensor floats(const Model::Data& data, const std::string& name) { return to_f32(tensor(data.tensors, name), name); }

/// Rows of one weight matrix, put together from the blocks of a product.
struct Stacked {
  std::vector<float> weight, bias;

  void add(const Model::Data& data, const LinearBlock& block) {
    append(weight, floats(data, block.weight));
    if (block.bias.empty())
      bias.resize(bias.size() + static_cast<std::size_t>(block.columns));
    else
      append(bias, floats(data, block.bias));
  }

  /// Rows that are zero but for a slice from column `first` on.
  void add_slice(const Model::Data& data, const LinearBlock& block, int inputs, int first) {
    const Tensor slice = floats(data, block.weight);
    const auto width = static_cast<std::size_t>(slice.columns());
    for (auto row = slice.as<float>().begin(); row != slice.as<float>().end();
         row += static_cast<std::ptrdiff_t>(width)) {
      weight.resize(weight.size() + static_cast<std::size_t>(inputs));
      std::copy_n(row, width, weight.end() - inputs + first);
    }
    append(bias, floats(data, block.bias));
  }

 private:
  static void append(std::vector<float>& to, const Tensor& values) {
    to.insert(to.end(), values.as<float>().begin(), values.as<float>().end());
  }
};

std::shared_ptr<const FloatLinear> qkv_product(const Model::Data& data, const QkvProduct& op, int inputs, int columns) {
  Stacked rows;
  for (const LinearBlock* block : op.qkv()) rows.add(data, *block);
  for (int h = 0; h < static_cast<int>(op.gate.size()); ++h) {
    const LinearBlock& block = op.gate[static_cast<std::size_t>(h)];
    if (op.gate_kind == GateKind::all_heads)
      rows.add(data, block);
    else
      rows.add_slice(data, block, inputs, h * (inputs / op.heads));
  }
  return std::make_shared<const FloatLinear>(inputs, columns, rows.weight, rows.bias, Activation::none);
}

/// The activation that is a part of the product: 16-bit rows have theirs behind it, where it can be seen.
Activation fused_activation(const Op& op) {
  const auto* linear = std::get_if<Linear>(&op);
  return linear && linear->makes != Form::s16 ? linear->activation : Activation::none;
}

std::shared_ptr<const FloatLinear> make(const Model::Data& data, const Node& node) {
  const OpFacts known = facts(data.graph, node);
  if (const auto* qkv = std::get_if<QkvProduct>(&node.op))
    return qkv_product(data, *qkv, known.depth, data.graph.columns(node.output));
  return float_linear(data, *known.blocks.at(0), known.depth, fused_activation(node.op));
}

}  // namespace

std::shared_ptr<const FloatLinear> float_linear(const Model::Data& data, const LinearBlock& block, int inputs,
                                                Activation activation) {
  const Tensor weight = floats(data, block.weight);
  const Tensor bias = block.bias.empty() ? Tensor(DType::f32, {block.columns}) : floats(data, block.bias);
  return std::make_shared<const FloatLinear>(inputs, block.columns, weight.as<float>(), bias.as<float>(), activation);
}

FloatProducts::FloatProducts(std::shared_ptr<const Model::Data> data, std::size_t budget) : data_(std::move(data)) {
  for (const Node& node : data_->graph.nodes) {
    const int inputs = facts(data_->graph, node).depth;
    const std::size_t bytes =
        sizeof(float) * static_cast<std::size_t>(inputs) * static_cast<std::size_t>(data_->graph.columns(node.output));
    if (inputs == 0 || bytes > budget) continue;
    budget -= bytes;
    ready_.emplace(node.output, make(*data_, node));
  }
}

std::shared_ptr<const FloatLinear> FloatProducts::of(const Node& node) const {
  const auto found = ready_.find(node.output);
  return found == ready_.end() ? make(*data_, node) : found->second;
}

FloatProducts FloatProducts::with(std::shared_ptr<const Model::Data> data, const Node& node) const {
  FloatProducts result = *this;
  result.data_ = std::move(data);
  const auto found = result.ready_.find(node.output);
  if (found != result.ready_.end()) found->second = make(*result.data_, node);
  return result;
}

}  // namespace octavo
