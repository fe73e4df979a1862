#include "graph/neurons.h"

#include "graph/op_facts.h"
#include "graph/slices.h"

#include "octavo/error.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace octavo {
namespace {

/// Nothing where the sum's first input are no neurons, or others read them, too.
std::optional<FeedForwardNodes> feed_forward_of(const Graph& graph, const Node& sum) {
  const ValueId neurons = sum.inputs[0];
  const Node* product = &graph.producer(neurons);
  if (count_readers(graph, neurons) != 1) return {};
  if (std::holds_alternative<GluOp>(product->op)) {
    product = &graph.producer(product->inputs[0]);
    if (count_readers(graph, product->output) != 1) return {};
  } else if (facts(graph, *product).activation == Activation::none) {
    return {};
  }
  return FeedForwardNodes{.product = product->output, .neurons = neurons, .sum = sum.output};
}

/// Writes a graph anew, node by node, with networks that have other neurons.
class Rewriting {
 public:
  explicit Rewriting(const Model::Data& model) : model_(model), result_(model), places_(model.graph.nodes.size(), -1) {
    result_.graph = {.values = {}, .nodes = {}, .outputs = model.graph.outputs};
  }

  void copy(const Node& node) { places_[place(node.output)] = append(model_.graph.value(node.output), node); }

  /// The nodes of a network up to its neurons.
  void make_neurons(const FeedForwardNodes& network, std::span<const int> neurons, const std::string& suffix) {
    const Graph& graph = model_.graph;
    Node product = graph.producer(network.product);
    const auto rows = [&](LinearBlock& block, const std::string& name) {
      block = block_rows_of(block, name + suffix, neurons, model_.tensors, result_.tensors);
    };
    Value value = graph.value(network.product);
    if (auto* linear = std::get_if<Linear>(&product.op)) {
      rows(linear->weights, value.name);
      linear->weights.name += suffix;
      value.columns = std::ssize(neurons);
    } else {
      auto& branches = std::get<GluProduct>(product.op);
      rows(branches.gate, branches.gate.name);
      branches.gate.name += suffix;
      if (branches.has_up()) {
        rows(branches.up, branches.up.name);
        branches.up.name += suffix;
      }
      value.columns = branches.gate.columns + branches.up.columns;
    }
    value.name += suffix;
    places_[place(network.product)] = append(std::move(value), std::move(product));
    if (network.neurons == network.product) return;
    Value neuron = graph.value(network.neurons);
    neuron.columns = static_cast<int>(neurons.size());
    neuron.name += suffix;
    places_[place(network.neurons)] = append(std::move(neuron), graph.producer(network.neurons));
  }

  /// Adds the product of the neurons that were made last.
  void add_product(const FeedForwardNodes& network, std::span<const int> neurons, const std::string& suffix,
                   const std::string& bias) {
    Node sum = model_.graph.producer(network.sum);
    LinearBlock& block = std::get<LinearAdd>(sum.op).weights;
    Value value = model_.graph.value(network.sum);
    value.name += suffix;
    block = block_columns_of(block, value.name, neurons, model_.tensors, result_.tensors);
    block.name += suffix;
    block.bias = bias;
    sum.inputs = {places_[place(sum.inputs[0])], stream_ >= 0 ? stream_ : places_[place(sum.inputs[1])]};
    stream_ = append_placed(std::move(value), std::move(sum));
  }

  void end_sum(const FeedForwardNodes& network) {
    places_[place(network.sum)] = stream_;
    stream_ = -1;
  }

  TensorMap& tensors() { return result_.tensors; }

  Model::Data finish() {
    for (GraphOutput& output : result_.graph.outputs) output.value = places_[place(output.value)];
    drop_unread_tensors(model_.graph, result_);
    return std::move(result_);
  }

 private:
  static std::size_t place(ValueId id) { return static_cast<std::size_t>(id); }

  ValueId append(Value value, Node node) {
    for (ValueId& input : node.inputs) input = places_[place(input)];
    return append_placed(std::move(value), std::move(node));
  }
  ValueId append_placed(Value value, Node node) {
    node.output = static_cast<ValueId>(result_.graph.nodes.size());
    result_.graph.values.push_back(std::move(value));
    result_.graph.nodes.push_back(std::move(node));
    return result_.graph.nodes.back().output;
  }

  const Model::Data& model_;
  Model::Data result_;
  std::vector<ValueId> places_;  // by value of the model
  ValueId stream_ = -1;          // of a network that has begun to be added
};

void check(const std::string& network, const Neurons& neurons, int count) {
  std::vector<int> both = neurons.kept;
  both.insert(both.end(), neurons.apart.begin(), neurons.apart.end());
  check_picks(network, "neuron", both, count);
  if (neurons.kept.empty()) throw Error(network + ": one neuron must be left");
  if (!neurons.means.empty() && std::ssize(neurons.means) != count)
    throw Error(network + " has " + std::to_string(neurons.means.size()) + " means of neurons, expected " +
                std::to_string(count));
}

/// The bias of a sum, which makes up for the neurons that are gone.
std::string put_bias(const Model::Data& model, const LinearBlock& block, const std::string& name,
                     const Neurons& neurons, TensorMap& tensors) {
  if (neurons.means.empty() || neurons.kept.size() + neurons.apart.size() == neurons.means.size()) return block.bias;
  std::vector<float> gone = neurons.means;
  for (const std::vector<int>* list : {&neurons.kept, &neurons.apart}) {
    for (const int neuron : *list) gone[static_cast<std::size_t>(neuron)] = 0.0f;
  }
  return bias_without(block, name, gone, model.tensors, tensors);
}

}  // namespace

std::vector<FeedForwardNodes> find_feed_forwards(const Graph& graph) {
  std::vector<FeedForwardNodes> result;
  for (const Node& node : graph.nodes) {
    if (!facts(graph, node).adds || graph.value(node.output).rows != RowKind::token) continue;
    if (const std::optional<FeedForwardNodes> found = feed_forward_of(graph, node)) result.push_back(*found);
  }
  return result;
}

Model::Data with_neurons(const Model::Data& model, const std::map<std::string, Neurons>& networks) {
  if (networks.empty()) return model;
  const Graph& graph = model.graph;
  const std::vector<FeedForwardNodes> all = find_feed_forwards(graph);
  for (const auto& [name, neurons] : networks) {
    const auto found = std::ranges::find(all, name, [&](const FeedForwardNodes& n) { return graph.name(n.sum); });
    if (found == all.end()) throw Error(model.info.name + " has no feed-forward network " + name);
    check(name, neurons, graph.columns(found->neurons));
  }
  Rewriting rewriting(model);
  const std::string apart = ".apart";
  int largest = 0;
  const auto network_of = [&](const Node& node) -> const FeedForwardNodes* {
    const auto found = std::ranges::find_if(all, [&](const FeedForwardNodes& n) {
      return node.output == n.product || node.output == n.neurons || node.output == n.sum;
    });
    return found == all.end() ? nullptr : &*found;
  };
  for (const Node& node : graph.nodes) {
    const FeedForwardNodes* network = network_of(node);
    const auto changed = network ? networks.find(graph.name(network->sum)) : networks.end();
    if (network && node.output == network->sum)
      largest = std::max(largest, changed == networks.end()
                                      ? graph.columns(network->neurons)
                                      : static_cast<int>(changed->second.kept.size() + changed->second.apart.size()));
    if (changed == networks.end()) {
      rewriting.copy(node);
      continue;
    }
    if (node.output != network->sum) continue;  // made where its sum is
    const Neurons& neurons = changed->second;
    const LinearBlock& block = std::get<LinearAdd>(node.op).weights;
    if (!neurons.apart.empty()) {
      rewriting.make_neurons(*network, neurons.apart, apart);
      rewriting.add_product(*network, neurons.apart, apart, "");
    }
    rewriting.make_neurons(*network, neurons.kept, "");
    rewriting.add_product(*network, neurons.kept, "",
                          put_bias(model, block, graph.name(node.output), neurons, rewriting.tensors()));
    rewriting.end_sum(*network);
  }
  Model::Data result = rewriting.finish();
  result.info.intermediate_size = largest;
  return result;
}

}  // namespace octavo
