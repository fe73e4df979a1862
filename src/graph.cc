#include "graph.h"

#include <algorithm>

#include "octavo/error.h"

namespace octavo {
namespace {

void require_columns(const Graph& graph, const std::string& name, ValueId x, int expected) {
  if (graph.columns(x) != expected) {
    throw Error(name + ": its input " + graph.name(x) + " has " + std::to_string(graph.columns(x)) + " columns, expected " +
                std::to_string(expected));
  }
}

}  // namespace

ValueId Graph::hidden() const {
  const auto last = std::find_if(nodes.rbegin(), nodes.rend(), [](const Node& node) { return !std::holds_alternative<Head>(node.op); });
  if (last == nodes.rend()) throw Error("the graph has no hidden state");
  return last->output;
}

const Node* Graph::head() const {
  const auto found = std::find_if(nodes.begin(), nodes.end(), [](const Node& node) { return std::holds_alternative<Head>(node.op); });
  return found == nodes.end() ? nullptr : &*found;
}

ValueId GraphBuilder::append(std::string name, int columns, Op op, std::vector<ValueId> inputs) {
  if (columns <= 0) throw Error(name + " has " + std::to_string(columns) + " columns, expected at least 1");
  const auto used = [&](const Value& value) { return value.name == name; };
  if (std::any_of(graph_.values.begin(), graph_.values.end(), used)) throw Error("two values of the graph are named " + name);
  const auto id = static_cast<ValueId>(graph_.values.size());
  graph_.values.push_back({std::move(name), columns});
  graph_.nodes.push_back({std::move(op), std::move(inputs), id});
  return id;
}

ValueId GraphBuilder::embed_tokens(const std::string& name, int columns, EmbedTokens op) {
  return append(name, columns, std::move(op), {});
}

ValueId GraphBuilder::qkv(const std::string& name, ValueId x, QkvProduct op) {
  const int width = op.heads * op.head_size;
  for (const LinearBlock* block : {&op.query, &op.key, &op.value}) {
    if (block->columns != width) {
      throw Error(block->name + " has " + std::to_string(block->columns) + " columns, expected heads x head size = " +
                  std::to_string(width));
    }
  }
  if (!op.gate.empty() && static_cast<int>(op.gate.size()) != op.heads) {
    throw Error(name + " has " + std::to_string(op.gate.size()) + " gates for " + std::to_string(op.heads) + " heads");
  }
  if (!op.gate.empty() && graph_.columns(x) % op.heads != 0) {
    throw Error(name + ": " + std::to_string(graph_.columns(x)) + " input columns do not divide into " +
                std::to_string(op.heads) + " gates");
  }
  const int columns = 3 * width + static_cast<int>(op.gate.size());
  return append(name, columns, std::move(op), {x});
}

ValueId GraphBuilder::linear(const std::string& name, ValueId x, Linear op) {
  const int columns = op.weights.columns;
  return append(name, columns, std::move(op), {x});
}

ValueId GraphBuilder::linear_add(const std::string& name, ValueId x, ValueId stream, LinearAdd op) {
  const int columns = op.weights.columns;
  require_columns(graph_, name, stream, columns);
  return append(name, columns, std::move(op), {x, stream});
}

ValueId GraphBuilder::layer_norm(const std::string& name, ValueId x, LayerNormOp op) {
  return append(name, graph_.columns(x), std::move(op), {x});
}

ValueId GraphBuilder::attention(const std::string& name, ValueId qkv, AttentionOp op) {
  const int width = op.heads * op.head_size;
  require_columns(graph_, name, qkv, 3 * width + (op.gate ? op.heads : 0));
  return append(name, width, std::move(op), {qkv});
}

ValueId GraphBuilder::embed_patches(const std::string& name, int columns, EmbedPatches op) {
  if (op.projection.columns != columns) {
    throw Error(name + ": its projection has " + std::to_string(op.projection.columns) + " columns, expected " +
                std::to_string(columns));
  }
  if (op.patch_size <= 0 || op.patches() <= 0) throw Error(name + " has no patches");
  return append(name, columns, std::move(op), {});
}

ValueId GraphBuilder::head(const std::string& name, ValueId stream, Head op) {
  if (graph_.head()) throw Error(name + " is the second head of the graph");
  const int columns = op.weights.columns;
  return append(name, columns, std::move(op), {stream});
}

}  // namespace octavo
