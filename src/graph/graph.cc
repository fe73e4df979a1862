#include "graph/graph.h"

#include "octavo/error.h"

#include <algorithm>
#include <iterator>

namespace octavo {
namespace {

void require_columns(const Graph& graph, const std::string& name, ValueId x, int expected) {
  if (graph.columns(x) != expected) {
    throw Error(name + ": its input " + graph.name(x) + " has " + std::to_string(graph.columns(x)) +
                " columns, expected " + std::to_string(expected));
  }
}

void check_gate(const std::string& name, const QkvProduct& op, int inputs) {
  if (op.gate.empty() && op.gate_output.empty()) return;
  const std::size_t heads = static_cast<std::size_t>(op.heads),
                    blocks = op.gate_kind == GateKind::all_heads ? 1 : heads;
  if (op.gate.size() != blocks || op.gate_output.size() != (op.gate_kind == GateKind::mlp ? heads : 0)) {
    throw Error(name + " has " + std::to_string(op.gate.size()) + " gates for " + std::to_string(op.heads) + " heads");
  }
  const int columns = op.gate_kind == GateKind::all_heads ? op.heads
                      : op.gate_kind == GateKind::linear  ? 1
                                                          : op.gate[0].columns;
  for (const LinearBlock& block : op.gate) {
    if (block.columns != columns) throw Error(name + ": its gates differ in size");
  }
  if (op.gate_kind != GateKind::all_heads && inputs % op.heads != 0) {
    throw Error(name + ": " + std::to_string(inputs) + " input columns do not divide into " + std::to_string(op.heads) +
                " gates");
  }
  if (std::int64_t{columns} * op.heads > 32768) throw Error(name + ": its gate has more than 32768 hidden units");
}

}  // namespace

bool is_head(const Op& op) { return std::holds_alternative<Head>(op) || std::holds_alternative<LanguageHead>(op); }

ValueId Graph::hidden() const {
  const auto last = std::find_if(nodes.rbegin(), nodes.rend(), [](const Node& node) { return !is_head(node.op); });
  if (last == nodes.rend()) throw Error("the graph has no hidden state");
  return last->output;
}

const Node* Graph::head() const {
  const auto found =
      std::find_if(nodes.begin(), nodes.end(), [](const Node& node) { return std::holds_alternative<Head>(node.op); });
  return found == nodes.end() ? nullptr : &*found;
}

const Node* Graph::language_head() const {
  const auto found = std::find_if(nodes.begin(), nodes.end(),
                                  [](const Node& node) { return std::holds_alternative<LanguageHead>(node.op); });
  return found == nodes.end() ? nullptr : &*found;
}

std::string_view name_of(GateType type) {
  switch (type) {
    case GateType::unconditional_per_head:
      return "unconditional_per_head";
    case GateType::conditional_per_head:
      return "conditional_per_head";
    default:
      return "conditional_per_token";
  }
}

const char* op_name(const Op& op) {
  constexpr const char* names[] = {"EmbedTokens", "QkvProduct",   "Linear", "LinearAdd",   "LayerNorm",
                                   "Attention",   "EmbedPatches", "Head",   "LanguageHead"};
  static_assert(std::size(names) == std::variant_size_v<Op>);
  return names[op.index()];
}

int gate_columns(const QkvProduct& op) {
  int columns = 0;
  for (const LinearBlock& block : op.gate) columns += block.columns;
  return columns;
}

ValueId GraphBuilder::append(std::string name, int columns, Op op, std::vector<ValueId> inputs) {
  if (columns <= 0) throw Error(name + " has " + std::to_string(columns) + " columns, expected at least 1");
  const auto used = [&](const Value& value) { return value.name == name; };
  if (std::any_of(graph_.values.begin(), graph_.values.end(), used))
    throw Error("two values of the graph are named " + name);
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
      throw Error(block->name + " has " + std::to_string(block->columns) +
                  " columns, expected heads x head size = " + std::to_string(width));
    }
  }
  check_gate(name, op, graph_.columns(x));
  const int columns = 3 * width + gate_columns(op);
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
  const auto* product = std::get_if<QkvProduct>(&graph_.nodes.at(static_cast<std::size_t>(qkv)).op);
  const bool conditional = op.gate && op.gate->type != GateType::unconditional_per_head;
  const bool fits = product != nullptr && product->gate.empty() != conditional &&
                    (!conditional || (product->gate_kind == op.gate->kind &&
                                      product->gate_mean == (op.gate->type == GateType::conditional_per_head)));
  if (!fits) throw Error(name + ": its gate does not fit the product " + graph_.name(qkv));
  require_columns(graph_, name, qkv, 3 * width + gate_columns(*product));
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

ValueId GraphBuilder::language_head(const std::string& name, ValueId stream, LanguageHead op) {
  if (graph_.language_head()) throw Error(name + " is the second language head of the graph");
  if (stream != graph_.hidden())
    throw Error(name + " reads " + graph_.name(stream) + ", expected the last hidden state");
  const int columns = op.weights.columns;
  return append(name, columns, std::move(op), {stream});
}

}  // namespace octavo
