#include "quantize/float_rows.h"

#include "graph/names.h"
#include "graph/op_facts.h"
#include "io/safetensors.h"
#include "quantize/gate_rows.h"

#include <span>

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
  if (!is_body_product(model.graph, node)) return result;
  const int inputs = model.graph.columns(node.inputs[0]);
  const auto* qkv = std::get_if<QkvProduct>(&node.op);
  const std::vector<const LinearBlock*> blocks = facts(model.graph, node).blocks;
  for (const LinearBlock* block : std::span(blocks).first(qkv ? 3 : 1))
    result.push_back(block_rows(model, *block, inputs));
  if (qkv && !qkv->gate.empty())
    result.push_back(gate_rows(model, *qkv, model.graph.name(node.output) + part::kGate, inputs));
  return result;
}

}  // namespace octavo
