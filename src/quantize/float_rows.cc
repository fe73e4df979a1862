#include "quantize/float_rows.h"

#include "io/safetensors.h"
#include "quantize/gate_rows.h"

namespace octavo {

std::vector<float> float_values(const Model::Data& model, const std::string& name) {
  return f32_values(tensor(model.tensors, name), name);
}

FloatRows block_rows(const Model::Data& model, const LinearBlock& block, int inputs) {
  return {.name = block.name,
          .columns = block.columns,
          .inputs = inputs,
          .weight = float_values(model, block.weight),
          .bias = block.bias.empty() ? std::vector<float>(static_cast<std::size_t>(block.columns), 0.0f)
                                     : float_values(model, block.bias)};
}

std::vector<FloatRows> product_rows(const Model::Data& model, const Node& node) {
  std::vector<FloatRows> result;
  if (node.inputs.empty()) return result;
  const int inputs = model.graph.columns(node.inputs[0]);
  if (const auto* qkv = std::get_if<QkvProduct>(&node.op)) {
    for (const LinearBlock* block : {&qkv->query, &qkv->key, &qkv->value})
      result.push_back(block_rows(model, *block, inputs));
    if (!qkv->gate.empty()) result.push_back(gate_rows(model, *qkv, model.graph.name(node.output) + ".gate", inputs));
  } else if (const auto* linear = std::get_if<Linear>(&node.op)) {
    result.push_back(block_rows(model, linear->weights, inputs));
  } else if (const auto* add = std::get_if<LinearAdd>(&node.op)) {
    result.push_back(block_rows(model, add->weights, inputs));
  }
  return result;
}

}  // namespace octavo
