#include "graph/token_reduction.h"

#include "graph/op_facts.h"
#include "graph/sublayers.h"

#include "octavo/error.h"

#include <algorithm>
#include <map>
#include <utility>

namespace octavo {
namespace {

/// Attentions in order of execution: each begins a layer.
std::vector<SublayerNodes> layers_of(const Graph& graph) {
  std::vector<SublayerNodes> result = find_sublayers(graph);
  std::erase_if(result, [](const SublayerNodes& sublayer) { return !sublayer.attends; });
  return result;
}

/// The product of Q, K and V from which a sum's first input is made.
ValueId product_of_attention(const Graph& graph, ValueId sum) {
  ValueId value = graph.producer(sum).inputs[0];
  while (!attention_facts(graph, graph.producer(value))) value = graph.producer(value).inputs[0];
  return graph.producer(value).inputs[0];
}

/// By the sum behind which it stands.
std::map<ValueId, ReduceTokens> by_sum(const Graph& graph, std::span<const ReducedLayer> reductions) {
  const std::vector<SublayerNodes> layers = layers_of(graph);
  std::map<ValueId, ReduceTokens> result;
  for (const ReducedLayer& each : reductions) {
    if (each.layer < 0 || each.layer >= std::ssize(layers))
      throw Error("tokens are to be removed behind layer " + std::to_string(each.layer) + ", expected 0 to " +
                  std::to_string(std::ssize(layers) - 1));
    const SublayerNodes& layer = layers[static_cast<std::size_t>(each.layer)];
    if (!result.emplace(layer.sum, each.op).second)
      throw Error("tokens are to be removed twice behind layer " + std::to_string(each.layer));
    if (layer.result != layer.sum)
      throw Error("tokens are removed where LayerNorms stand before sums, not behind them");
  }
  return result;
}

/// Of one sequence of a picture.
double tokens_of(const Model::Data& model, ValueId value) {
  const Value& rows = model.graph.value(value);
  return rows.rows == RowKind::token ? model.info.max_positions - rows.removed : 1.0;
}

}  // namespace

Model::Data with_fewer_tokens(const Model::Data& model, std::span<const ReducedLayer> reductions) {
  if (reductions.empty()) return model;
  const Graph& graph = model.graph;
  const std::map<ValueId, ReduceTokens> behind = by_sum(graph, reductions);
  GraphBuilder g;
  std::vector<ValueId> places;
  for (const Node& node : graph.nodes) {
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(places[static_cast<std::size_t>(input)]);
    ValueId place = g.copy(graph.value(node.output), node, std::move(inputs));
    if (const auto found = behind.find(node.output); found != behind.end()) {
      const ValueId product = product_of_attention(graph, node.output);
      place = g.reduce_tokens(graph.name(node.output) + ".tokens", place, places[static_cast<std::size_t>(product)],
                              found->second);
    }
    places.push_back(place);
  }
  for (const GraphOutput& output : graph.outputs) g.output(output.name, places[static_cast<std::size_t>(output.value)]);
  Model::Data result = model;
  result.graph = g.finish();
  return result;
}

double picture_cost(const Model::Data& model) {
  const Graph& graph = model.graph;
  double cost = 0.0;
  for (const Node& node : graph.nodes) {
    const OpFacts known = facts(graph, node);
    const double tokens = tokens_of(model, node.output);
    cost += tokens * known.depth * graph.columns(node.output);
    if (known.attention) cost += 2.0 * tokens * tokens * graph.columns(node.output);
  }
  return cost;
}

}  // namespace octavo
