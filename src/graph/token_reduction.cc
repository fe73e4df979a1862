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
std::map<ValueId, ReducedLayer> by_sum(const Graph& graph, std::span<const ReducedLayer> reductions) {
  const std::vector<SublayerNodes> layers = layers_of(graph);
  std::map<ValueId, ReducedLayer> result;
  for (const ReducedLayer& each : reductions) {
    if (each.layer < 0 || each.layer >= std::ssize(layers))
      throw Error("tokens are to be removed behind layer " + std::to_string(each.layer) + ", expected 0 to " +
                  std::to_string(std::ssize(layers) - 1));
    const SublayerNodes& layer = layers[static_cast<std::size_t>(each.layer)];
    if (!result.emplace(layer.sum, each).second)
      throw Error("tokens are to be removed twice behind layer " + std::to_string(each.layer));
    if (layer.result != layer.sum)
      throw Error("tokens are removed where LayerNorms stand before sums, not behind them");
  }
  return result;
}

/// Constants of a graph with new nodes that keep codes as they are, beside those that the model had.
QuantizedGraph with_codes_kept(const Graph& graph, const Model::Data& model) {
  QuantizedGraph result;
  std::size_t old = 0;
  for (const Node& node : graph.nodes) {
    if (graph.name(node.output) == model.graph.values[old].name) {
      result.ops.push_back(model.integer->ops[old]);
      old = std::min(old + 1, model.graph.values.size() - 1);
    } else {
      const QuantizedOp& read = result.ops[static_cast<std::size_t>(node.inputs[0])];
      result.ops.emplace_back(QuantizedReduceTokens{.encoding = output_encoding(read)});
    }
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
  const std::map<ValueId, ReducedLayer> behind = by_sum(graph, reductions);
  GraphBuilder g;
  std::vector<ValueId> places;
  for (const Node& node : graph.nodes) {
    std::vector<ValueId> inputs;
    for (const ValueId input : node.inputs) inputs.push_back(places[static_cast<std::size_t>(input)]);
    ValueId place = g.copy(graph.value(node.output), node, std::move(inputs));
    if (const auto found = behind.find(node.output); found != behind.end()) {
      const ValueId product = product_of_attention(graph, node.output);
      place = g.reduce_tokens(graph.name(node.output) + ".tokens", place, places[static_cast<std::size_t>(product)],
                              {.how = found->second.how, .removed = found->second.removed});
    }
    places.push_back(place);
  }
  for (const GraphOutput& output : graph.outputs) g.output(output.name, places[static_cast<std::size_t>(output.value)]);
  Model::Data result = model;
  result.graph = g.finish();
  if (model.integer) result.integer = with_codes_kept(result.graph, model);
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
