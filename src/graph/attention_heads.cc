#include "graph/attention_heads.h"

#include "base/vector_tensor.h"
#include "graph/op_facts.h"
#include "graph/slices.h"
#include "io/safetensors.h"

#include "octavo/error.h"

#include <algorithm>
#include <optional>

namespace octavo {
namespace {

/// Nothing where the sum's first input is no context, or others read it, too.
std::optional<AttentionNodes> attention_of(const Graph& graph, const Node& sum) {
  const ValueId context = sum.inputs[0];
  const Node& attention = graph.producer(context);
  const std::optional<AttentionFacts> known = attention_facts(graph, attention);
  if (!known || count_readers(graph, context) != 1 || count_readers(graph, attention.inputs[0]) != 1) return {};
  return AttentionNodes{.product = attention.inputs[0],
                        .context = context,
                        .sum = sum.output,
                        .key_value_heads = known->key_value_heads,
                        .group_columns = graph.columns(context) / known->key_value_heads};
}

/// Pieces of equal size, `of_each` indices for each that is picked.
std::vector<int> expanded(std::span<const int> picked, int of_each) {
  std::vector<int> result;
  for (const int pick : picked) {
    for (int i = 0; i < of_each; ++i) result.push_back(pick * of_each + i);
  }
  return result;
}

/// Takes heads out of one attention of a model.
class Narrowing {
 public:
  Narrowing(const Model::Data& from, Model::Data& to, const AttentionNodes& nodes, std::span<const int> kept)
      : from_(from),
        to_(to),
        kept_(kept.begin(), kept.end()),
        name_(from.graph.name(nodes.context)),
        product_(std::get<QkvProduct>(node(nodes.product).op)),
        attention_(std::get<AttentionOp>(node(nodes.context).op)),
        heads_(expanded(kept, attention_.heads / nodes.key_value_heads)) {
    take_gates(from.graph.columns(from.graph.producer(nodes.product).inputs[0]));
    const std::vector<int> of_query = expanded(heads_, attention_.head_size),
                           of_key = expanded(kept_, attention_.head_size);
    rows(product_.query, of_query);
    rows(product_.key, of_key);
    rows(product_.value, of_key);
    if (attention_.gate && !attention_.gate->logits.empty()) by_head(attention_.gate->logits, ".gate_logits");
    if (attention_.bias) by_head(attention_.bias->table, ".score_bias");
    if (!attention_.sink.empty()) by_head(attention_.sink, ".sink");
    if (attention_.factors) by_head(attention_.factors->table, ".factors");
    product_.heads = attention_.heads = static_cast<int>(heads_.size());
    columns(nodes.context) = product_.query.columns;
    columns(nodes.product) = product_.query.columns + 2 * product_.key.columns + gate_columns(product_);
  }

 private:
  Node& node(ValueId id) { return to_.graph.nodes[static_cast<std::size_t>(id)]; }
  int& columns(ValueId id) { return to_.graph.values[static_cast<std::size_t>(id)].columns; }

  void rows(LinearBlock& block, std::span<const int> picked) {
    block = block_rows_of(block, block.name, picked, from_.tensors, to_.tensors);
  }
  void by_head(std::string& name, const std::string& suffix) {
    const Tensor taken = tensor_rows(tensor(from_.tensors, name), heads_);
    name = name_ + suffix;
    to_.tensors.insert_or_assign(name, taken);
  }

  /// A gate that reads a slice of the input by the place of its head becomes a row over the whole of it.
  void take_gates(int inputs) {
    if (product_.gate.empty()) return;
    if (product_.gate_kind == GateKind::mlp)
      throw Error(name_ + ": its gates are MLPs over slices of their input, from which no heads can be removed");
    if (product_.gate_kind == GateKind::linear) {
      const int slice = inputs / attention_.heads;
      std::vector<float> weight(heads_.size() * static_cast<std::size_t>(inputs), 0.0f), bias;
      for (std::size_t i = 0; i < heads_.size(); ++i) {
        const LinearBlock& block = product_.gate[static_cast<std::size_t>(heads_[i])];
        std::ranges::copy(f32_values(tensor(from_.tensors, block.weight), block.weight),
                          weight.begin() + static_cast<std::ptrdiff_t>(i) * inputs + heads_[i] * slice);
        bias.push_back(block.bias.empty() ? 0.0f : f32_values(tensor(from_.tensors, block.bias), block.bias)[0]);
      }
      const LinearBlock all = {.name = name_ + ".gate",
                               .weight = name_ + ".gate.weight",
                               .bias = name_ + ".gate.bias",
                               .columns = static_cast<int>(heads_.size())};
      to_.tensors.insert_or_assign(all.weight, to_tensor(weight, {all.columns, inputs}));
      to_.tensors.insert_or_assign(all.bias, to_tensor(bias));
      product_.gate = {all};
      product_.gate_kind = attention_.gate->kind = GateKind::all_heads;
      return;
    }
    rows(product_.gate[0], product_.gate_kind == GateKind::dense ? expanded(heads_, attention_.head_size) : heads_);
  }

  const Model::Data& from_;
  Model::Data& to_;
  std::vector<int> kept_;  // of K and V
  std::string name_;
  QkvProduct& product_;
  AttentionOp& attention_;
  std::vector<int> heads_;  // of Q
};

}  // namespace

void set_most_keys(Model::Data& model, const AttentionNodes& nodes, int most_keys) {
  auto& op = std::get<AttentionOp>(model.graph.nodes[static_cast<std::size_t>(nodes.context)].op);
  const std::string& name = model.graph.name(nodes.context);
  if (op.window > 0) throw Error(name + " has a window of keys, which hard attention is without");
  if (op.factors) throw Error(name + " has factors of distances, which hard attention is without");
  op.most_keys = most_keys;
}

std::vector<AttentionNodes> find_attentions(const Graph& graph) {
  std::vector<AttentionNodes> result;
  for (const Node& node : graph.nodes) {
    if (!facts(graph, node).adds) continue;
    if (const std::optional<AttentionNodes> found = attention_of(graph, node)) result.push_back(*found);
  }
  return result;
}

Model::Data with_heads(const Model::Data& model, const std::map<std::string, KeptHeads>& attentions) {
  Model::Data result = model;
  const std::vector<AttentionNodes> all = find_attentions(model.graph);
  for (const auto& [name, heads] : attentions) {
    const auto found = std::ranges::find(all, name, [&](const AttentionNodes& a) { return model.graph.name(a.sum); });
    if (found == all.end()) throw Error(model.info.name + " has no attention " + name);
    check_picks(name, "head", heads.kept, found->key_value_heads);
    if (std::ssize(heads.kept) == found->key_value_heads) continue;
    Narrowing(model, result, *found, heads.kept);
    const std::vector<int> columns = expanded(heads.kept, found->group_columns);
    LinearBlock& block = std::get<LinearAdd>(result.graph.nodes[static_cast<std::size_t>(found->sum)].op).weights;
    std::vector<float> gone = heads.means;
    if (!gone.empty()) {
      for (const int column : columns) gone.at(static_cast<std::size_t>(column)) = 0.0f;
      block.bias = bias_without(block, name, gone, model.tensors, result.tensors);
    }
    block = block_columns_of(block, name, columns, model.tensors, result.tensors);
  }
  drop_unread_tensors(model.graph, result);
  result.info.attention_heads = 0;
  for (const Node& node : result.graph.nodes) {
    if (const auto known = attention_facts(result.graph, node))
      result.info.attention_heads = std::max(result.info.attention_heads, known->heads);
  }
  return result;
}

}  // namespace octavo
