#include "calibration/observed_values.h"

#include "graph/op_facts.h"

#include <vector>

namespace octavo {

ValueNames product_inputs(const Graph& graph) {
  ValueNames names;
  for (const Node& node : graph.nodes) {
    if (is_body_product(graph, node)) names.insert(graph.name(node.inputs[0]));
  }
  return names;
}

ValueNames head_inputs(const Graph& graph) {
  ValueNames names;
  for (const Node& node : graph.nodes) {
    const bool product = facts(graph, node).depth > 0 && !node.inputs.empty();
    if (product && graph.value(node.output).rows == RowKind::chosen_token) names.insert(graph.name(node.inputs[0]));
  }
  return names;
}

ValueNames byte_values(const Graph& graph) {
  ValueNames names;
  for (const Node& node : graph.nodes) {
    const OpFacts known = facts(graph, node);
    for (const LinearBlock* block : known.values) {
      if (known.values_form == Form::u8) names.insert(block->name);
    }
    if (known.makes == std::vector{Form::u8}) names.insert(graph.name(node.output));
  }
  return names;
}

ValueNames attention_values(const Graph& graph) {
  ValueNames names;
  for (const Node& node : graph.nodes) {
    if (const OpFacts known = facts(graph, node); !known.values.empty()) names.insert(known.values.back()->name);
  }
  return names;
}

ValueNames sum_values(const Graph& graph) {
  ValueNames names;
  for (const Node& node : graph.nodes) {
    if (facts(graph, node).adds) names.insert(graph.name(node.output));
  }
  return names;
}

ValueNames norm_values(const Graph& graph) {
  ValueNames names;
  for (const Node& node : graph.nodes) {
    if (facts(graph, node).normalises) names.insert(graph.name(node.output));
  }
  return names;
}

}  // namespace octavo
