#include "quantize/float_rows.h"

#include "graph/names.h"
#include "io/safetensors.h"

#include <algorithm>

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

FloatRows sliced_rows(const Model::Data& model, std::span<const ProductBlock> blocks, const std::string& name,
                      int inputs) {
  FloatRows rows{.name = name, .columns = 0, .inputs = inputs, .weight = {}, .bias = {}};
  for (const auto& [block, first] : blocks) {
    const std::vector<float> weight = float_values(model, block->weight);
    const std::vector<float> bias = block->bias.empty() ? std::vector<float>(static_cast<std::size_t>(block->columns))
                                                        : float_values(model, block->bias);
    const auto width = static_cast<std::ptrdiff_t>(weight.size()) / block->columns;
    for (int n = 0; n < block->columns; ++n) {
      rows.weight.resize(rows.weight.size() + static_cast<std::size_t>(inputs), 0.0f);
      std::copy_n(weight.begin() + n * width, width, rows.weight.end() - inputs + first);
    }
    rows.bias.insert(rows.bias.end(), bias.begin(), bias.end());
    rows.columns += block->columns;
  }
  return rows;
}

std::vector<FloatRows> product_rows(const Model::Data& model, const Node& node) {
  std::vector<FloatRows> result;
  if (!is_body_product(model.graph, node)) return result;
  const int inputs = model.graph.columns(node.inputs[0]);
  const OpFacts known = facts(model.graph, node);
  const std::size_t values = std::max<std::size_t>(known.values.size(), 1);  // blocks that stand alone
  for (const ProductBlock& block : std::span(known.blocks).first(values))
    result.push_back(block_rows(model, *block.rows, inputs));
  if (const auto gates = std::span(known.blocks).subspan(values); !gates.empty())
    result.push_back(sliced_rows(model, gates, model.graph.name(node.output) + part::kGate, inputs));
  return result;
}

}  // namespace octavo
