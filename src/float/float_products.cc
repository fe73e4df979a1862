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
  int inputs;
  std::vector<float> weight = {}, bias = {};

  /// Zeros beside the columns that a block reads.
  void add(const Model::Data& data, const ProductBlock& block) {
    const Tensor own = floats(data, block.rows->weight);
    const auto rows = static_cast<std::size_t>(block.rows->columns), columns = static_cast<std::size_t>(inputs),
               width = own.as<float>().size() / rows, first = static_cast<std::size_t>(block.first_input);
    for (std::size_t row = 0; row < rows; ++row) {
      weight.resize(weight.size() + columns);
      std::copy_n(own.as<float>().begin() + static_cast<std::ptrdiff_t>(row * width), width,
                  weight.end() - static_cast<std::ptrdiff_t>(columns - first));
    }
    if (block.rows->bias.empty()) {
      bias.resize(bias.size() + rows);
    } else {
      const Tensor values = floats(data, block.rows->bias);
      bias.insert(bias.end(), values.as<float>().begin(), values.as<float>().end());
    }
  }
};

std::shared_ptr<const FloatLinear> make(const Model::Data& data, const Node& node) {
  const OpFacts known = facts(data.graph, node);
  const int inputs = known.depth, columns = data.graph.columns(node.output);
  // That of 16-bit rows comes behind the product, where it can be seen.
  const Activation activation = known.makes == std::vector{Form::s16} ? Activation::none : known.activation;
  const LinearBlock& block = *known.blocks.at(0).rows;
  if (known.blocks.size() == 1) {  // as it lies in the checkpoint
    const Tensor weight = floats(data, block.weight);
    const Tensor bias = block.bias.empty() ? Tensor(DType::f32, {block.columns}) : floats(data, block.bias);
    return std::make_shared<const FloatLinear>(inputs, columns, weight.as<float>(), bias.as<float>(), activation);
  }
  Stacked product{inputs};
  for (const ProductBlock& each : known.blocks) product.add(data, each);
  return std::make_shared<const FloatLinear>(inputs, columns, product.weight, product.bias, activation);
}

}  // namespace

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
