#include "graph/sublayers.h"

#include "graph/op_facts.h"
#include "graph/slices.h"

#include "octavo/error.h"

#include <algorithm>
#include <numeric>
#include <optional>

namespace octavo {
namespace {

/// What lies between the stream and the sum.
struct Branch {
  bool attends = false;
  bool reads_stream = false;  ///< as it is, not by a LayerNorm
};

/// Nothing where the sum's first input is made from more than the stream.
std::optional<Branch> branch_of(const Graph& graph, const Node& sum) {
  const ValueId stream = sum.inputs[1];
  Branch result{.reads_stream = sum.inputs[0] == stream};
  std::vector<ValueId> open = {sum.inputs[0]};
  while (!open.empty()) {
    const ValueId value = open.back();
    open.pop_back();
    if (value == stream) continue;
    if (value < stream) return std::nullopt;
    const Node& node = graph.producer(value);
    const OpFacts known = facts(graph, node);
    if (node.inputs.empty()) return std::nullopt;
    for (const ValueId input : node.inputs) {
      result.reads_stream |= input == stream && !known.normalises;
      open.push_back(input);
    }
    result.attends |= known.attention.has_value();
  }
  return result;
}

/// The LayerNorm that alone reads a value; none where others do, too, or it is an output.
std::optional<ValueId> only_norm_of(const Graph& graph, ValueId value) {
  if (std::ranges::any_of(graph.outputs, [&](const GraphOutput& output) { return output.value == value; })) return {};
  const Node* found = nullptr;
  for (const Node& node : graph.nodes) {
    if (std::ranges::find(node.inputs, value) == node.inputs.end()) continue;
    if (found) return {};
    found = &node;
  }
  if (!found || !facts(graph, *found).normalises) return {};
  return found->output;
}

/// The graph whose readers of a value read `instead` of it, and of that what outputs are made from.
Graph rewired(const Graph& graph, const std::vector<ValueId>& instead) {
  const auto of = [](const std::vector<ValueId>& values, ValueId id) -> ValueId {
    return values[static_cast<std::size_t>(id)];
  };
  Graph whole = graph;
  for (Node& node : whole.nodes) {
    for (ValueId& input : node.inputs) input = of(instead, input);
  }
  for (GraphOutput& output : whole.outputs) output.value = of(instead, output.value);
  std::vector<bool> needed(whole.nodes.size(), false);
  for (const GraphOutput& output : whole.outputs) {
    const std::vector<bool> more = whole.needed_for(output.value);
    for (std::size_t i = 0; i < needed.size(); ++i) needed[i] = needed[i] || more[i];
  }
  Graph result;
  std::vector<ValueId> places(needed.size(), -1);
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    places[i] = static_cast<ValueId>(result.nodes.size());
    result.values.push_back(whole.values[i]);
    result.nodes.push_back(whole.nodes[i]);
    result.nodes.back().output = places[i];
    for (ValueId& input : result.nodes.back().inputs) input = of(places, input);
  }
  for (const GraphOutput& output : whole.outputs) result.outputs.push_back({output.name, of(places, output.value)});
  return result;
}

/// Layers of which something is left. One begins with each attention.
int layers_left(const std::vector<SublayerNodes>& all, const std::vector<bool>& removed) {
  int left = 0;
  bool counted = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].attends) counted = false;
    if (removed[i] || counted) continue;
    counted = true;
    ++left;
  }
  return left;
}

/// Which of the sublayers have these names.
std::vector<bool> named(const Model::Data& model, const std::vector<SublayerNodes>& all,
                        std::span<const std::string> names) {
  std::vector<bool> result(all.size(), false);
  for (const std::string& name : names) {
    const auto found = std::ranges::find(all, name, [&](const SublayerNodes& s) { return model.graph.name(s.sum); });
    if (found == all.end()) throw Error(model.info.name + " has no attention or feed-forward network " + name);
    const auto place = static_cast<std::size_t>(found - all.begin());
    if (result[place]) throw Error(name + " is to be removed twice");
    result[place] = true;
  }
  return result;
}

}  // namespace

std::vector<SublayerNodes> find_sublayers(const Graph& graph) {
  std::vector<SublayerNodes> result;
  for (const Node& node : graph.nodes) {
    if (!facts(graph, node).adds || graph.value(node.output).rows != RowKind::token) continue;
    const std::optional<Branch> branch = branch_of(graph, node);
    if (!branch) continue;
    SublayerNodes found{
        .stream = node.inputs[1], .sum = node.output, .result = node.output, .attends = branch->attends};
    if (branch->reads_stream) found.result = only_norm_of(graph, node.output).value_or(node.output);
    result.push_back(found);
  }
  return result;
}

Model::Data without_sublayers(const Model::Data& model, std::span<const std::string> names) {
  if (names.empty()) return model;
  const std::vector<SublayerNodes> all = find_sublayers(model.graph);
  const std::vector<bool> removed = named(model, all, names);
  std::vector<ValueId> instead(model.graph.nodes.size());
  std::iota(instead.begin(), instead.end(), 0);
  bool attention_left = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    attention_left |= all[i].attends && !removed[i];
    if (removed[i]) instead[static_cast<std::size_t>(all[i].result)] = instead[static_cast<std::size_t>(all[i].stream)];
  }
  if (!attention_left) throw Error(model.info.name + ": one attention must be left");

  Model::Data result = model;
  result.graph = rewired(model.graph, instead);
  drop_unread_tensors(model.graph, result);
  result.info.layers = layers_left(all, removed);
  result.info.removed_sublayers.insert(result.info.removed_sublayers.end(), names.begin(), names.end());
  return result;
}

}  // namespace octavo
