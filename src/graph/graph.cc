#include "graph/graph.h"

#include "graph/op_facts.h"

#include "octavo/error.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

namespace octavo {
namespace {

void require_columns(const Graph& graph, const std::string& name, ValueId x, int expected) {
  if (graph.columns(x) != expected) {
    throw Error(name + ": its input " + graph.name(x) + " has " + std::to_string(graph.columns(x)) +
                " columns, expected " + std::to_string(expected));
  }
}

std::string heads_text(int heads, int head_size) {
  return std::to_string(heads) + " heads of " + std::to_string(head_size) + " columns";
}

void check_heads(const std::string& name, const QkvProduct& op) {
  if (op.heads < 1 || op.head_size < 1) throw Error(name + " has " + heads_text(op.heads, op.head_size));
  const int width = op.heads * op.head_size;
  const auto refuse = [&](const LinearBlock& block, const std::string& expected) {
    throw Error(block.name + " has " + std::to_string(block.columns) + " columns, expected " + expected);
  };
  const std::string all = "heads x head size = " + std::to_string(width);
  if (op.query.columns != width) refuse(op.query, all);
  if (op.key.columns < op.head_size || width % op.key.columns != 0 || op.key.columns % op.head_size != 0)
    refuse(op.key, all + ", or those of a divisor of the heads");
  if (op.value.columns != op.key.columns)
    refuse(op.value, "as many as " + op.key.name + " = " + std::to_string(op.key.columns));
}

void check_gate(const std::string& name, const QkvProduct& op, int inputs) {
  if (op.gate.empty() && op.gate_output.empty()) return;
  const bool sliced = op.gate_kind == GateKind::linear || op.gate_kind == GateKind::mlp;
  const std::size_t heads = static_cast<std::size_t>(op.heads), blocks = sliced ? heads : 1;
  if (op.gate.size() != blocks || op.gate_output.size() != (op.gate_kind == GateKind::mlp ? heads : 0)) {
    throw Error(name + " has " + std::to_string(op.gate.size()) + " gates for " + std::to_string(op.heads) + " heads");
  }
  const int columns = op.gate_kind == GateKind::all_heads ? op.heads
                      : op.gate_kind == GateKind::dense   ? op.heads * op.head_size
                      : op.gate_kind == GateKind::linear  ? 1
                                                          : op.gate[0].columns;
  for (const LinearBlock& block : op.gate) {
    if (block.columns != columns) throw Error(name + ": its gates differ in size");
  }
  if (sliced && inputs % op.heads != 0) {
    throw Error(name + ": " + std::to_string(inputs) + " input columns do not divide into " + std::to_string(op.heads) +
                " gates");
  }
  if (std::int64_t{columns} * op.heads > kMaxColumns)
    throw Error(name + ": its gate has more than " + std::to_string(kMaxColumns) + " hidden units");
}

/// Tokens of an image that a graph takes, and those of them that are no patches; none of a text.
std::optional<std::pair<int, int>> image_tokens(const Graph& graph) {
  const auto* patches = graph.nodes.empty() ? nullptr : std::get_if<EmbedPatches>(&graph.nodes.front().op);
  if (!patches) return std::nullopt;
  return std::pair{patches->prefix_rows() + patches->patches(), patches->prefix_rows()};
}

/// Why an op needs all tokens of a sequence, each in its place; "" when it does not.
struct NeedsAllTokens {
  std::string operator()(const QkvProduct& op) const { return op.rotary ? "rotary positions" : ""; }
  std::string operator()(const AttentionOp& op) const {
    if (op.bias) return "a bias of scores by place";
    if (op.factors) return "factors of distances";
    if (op.window > 0) return "a window of keys";
    return op.mask == AttentionMask::causal ? "a causal mask" : "";
  }
  std::string operator()(const SelectRows& op) const {
    return op.selection == Selection::first ? "" : "the mean of patches, or tokens that a caller chooses";
  }
  template <typename Op>
  std::string operator()(const Op&) const {
    return "";
  }
};

const char* text_of(Form form) { return form == Form::u8 ? "8 bits" : form == Form::s16 ? "16 bits" : "32 bits"; }

}  // namespace

const GraphOutput* Graph::find_output(std::string_view name) const {
  const auto found = std::find_if(outputs.begin(), outputs.end(), [&](const GraphOutput& o) { return o.name == name; });
  return found == outputs.end() ? nullptr : &*found;
}

ValueId Graph::hidden() const {
  const GraphOutput* found = find_output(kHiddenState);
  if (!found) throw Error("the graph has no " + std::string(kHiddenState));
  return found->value;
}

int ScoreBias::entry(int query, int key) const {
  if (!on_grid()) return std::clamp(key - query, -reach, reach) + reach;
  const int patches = (2 * grid_height - 1) * (2 * grid_width - 1);
  if (query == 0 || key == 0) return patches + (query == 0 ? 0 : 1) + (query == 0 && key == 0 ? 2 : 0);
  const int down = (key - 1) / grid_width - (query - 1) / grid_width,
            right = (key - 1) % grid_width - (query - 1) % grid_width;
  return (down + grid_height - 1) * (2 * grid_width - 1) + right + grid_width - 1;
}

std::vector<OutputInfo> describe_outputs(const Graph& graph) {
  std::vector<OutputInfo> result;
  for (const GraphOutput& output : graph.outputs) {
    const Value& value = graph.value(output.value);
    result.push_back({.name = output.name, .columns = value.columns, .rows = value.rows});
  }
  return result;
}

std::vector<bool> Graph::needed_for(ValueId value) const {
  std::vector<bool> needed(nodes.size(), false);
  needed.at(static_cast<std::size_t>(value)) = true;
  for (std::size_t i = nodes.size(); i-- > 0;) {
    if (!needed[i]) continue;
    for (const ValueId input : nodes[i].inputs) needed[static_cast<std::size_t>(input)] = true;
  }
  return needed;
}

std::string_view name_of(GateType type) {
  switch (type) {
    case GateType::unconditional_per_head:
      return "unconditional_per_head";
    case GateType::conditional_per_head:
      return "conditional_per_head";
    case GateType::conditional_per_element:
      return "conditional_per_element";
    default:
      return "conditional_per_token";
  }
}

int gate_columns(const QkvProduct& op) {
  int columns = 0;
  for (const LinearBlock& block : op.gate) columns += block.columns;
  return columns;
}

ValueId GraphBuilder::append(Value value, Op op, std::vector<ValueId> inputs) {
  if (value.columns <= 0)
    throw Error(value.name + " has " + std::to_string(value.columns) + " columns, expected at least 1");
  const auto used = [&](const Value& other) { return other.name == value.name; };
  if (std::any_of(graph_.values.begin(), graph_.values.end(), used))
    throw Error("two values of the graph are named " + value.name);
  for (const ValueId x : inputs) require_fewer_do(value.name, op, x);
  const auto id = static_cast<ValueId>(graph_.values.size());
  graph_.values.push_back(std::move(value));
  graph_.nodes.push_back({std::move(op), std::move(inputs), id});
  return id;
}

Value GraphBuilder::like(ValueId x, const std::string& name, int columns) const {
  Value result = graph_.value(x);
  result.name = name;
  result.columns = columns;
  return result;
}

void GraphBuilder::require_fewer_do(const std::string& name, const Op& op, ValueId x) const {
  if (graph_.value(x).removed == 0) return;
  const std::string why = std::visit(NeedsAllTokens{}, op);
  if (!why.empty()) throw Error(name + " has " + why + ", for which no tokens may be removed before");
}

ValueId GraphBuilder::copy(const Value& value, const Node& node, std::vector<ValueId> inputs) {
  if (const auto* op = std::get_if<ReduceTokens>(&node.op))
    return reduce_tokens(value.name, inputs.at(0), inputs.at(1), *op);
  Value own = value;
  for (const ValueId x : inputs) {
    const Value &rows = graph_.value(x), &first = graph_.value(inputs[0]);
    if (rows.removed != first.removed || rows.merged != first.merged)
      throw Error(value.name + " reads " + first.name + " and " + rows.name + ", of which one has fewer tokens");
  }
  if (!inputs.empty() && value.rows == RowKind::token) own = like(inputs[0], value.name, value.columns);
  return append(std::move(own), node.op, std::move(inputs));
}

void GraphBuilder::require_form(const std::string& reader, ValueId x, Form form) const {
  const std::vector<Form> makes = facts(graph_, graph_.producer(x)).makes;
  if (std::find(makes.begin(), makes.end(), form) == makes.end())
    throw Error(reader + " reads " + graph_.name(x) + " in " + text_of(form) + ", in which it is not made");
}

ValueId GraphBuilder::embed_tokens(const std::string& name, int columns, EmbedTokens op) {
  return append({name, columns}, std::move(op), {});
}

ValueId GraphBuilder::qkv(const std::string& name, ValueId x, QkvProduct op) {
  require_form(name, x, Form::u8);
  if (graph_.value(x).rows != RowKind::token)
    throw Error(name + " attends to rows of " + graph_.name(x) + ", which has no row per token");
  check_heads(name, op);
  check_gate(name, op, graph_.columns(x));
  if (op.rotary && op.head_size % 2 != 0)
    throw Error(name + " has rotary positions and heads of " + std::to_string(op.head_size) +
                " columns, expected an even number");
  const int columns = op.query.columns + 2 * op.key.columns + gate_columns(op);
  return append(like(x, name, columns), std::move(op), {x});
}

ValueId GraphBuilder::linear(const std::string& name, ValueId x, Linear op) {
  require_form(name, x, op.reads);
  if (op.reads == Form::s32) throw Error(name + " reads logits, expected a value of 8 or 16 bits");
  if (op.makes == Form::s16 && op.reads != Form::s16)
    throw Error(name + " makes 16 bits from 8, expected a product of 16-bit rows");
  const bool fits = op.makes == Form::s16 || op.activation == Activation::none ||
                    (op.makes == Form::u8 && op.activation != Activation::tanh);
  if (!fits) throw Error(name + " has an activation that is not there for what it makes");
  const int columns = op.weights.columns;
  return append(like(x, name, columns), std::move(op), {x});
}

ValueId GraphBuilder::linear_add(const std::string& name, ValueId x, ValueId stream, LinearAdd op) {
  require_form(name, x, Form::u8);
  require_form(name, stream, Form::s16);
  const int columns = op.weights.columns;
  require_columns(graph_, name, stream, columns);
  const Value &added = graph_.value(x), &to = graph_.value(stream);
  if (added.rows != to.rows || added.removed != to.removed || added.merged != to.merged)
    throw Error(name + " adds " + graph_.name(x) + " to " + graph_.name(stream) + ", whose rows are other ones");
  return append(like(x, name, columns), std::move(op), {x, stream});
}

ValueId GraphBuilder::glu_product(const std::string& name, ValueId x, GluProduct op) {
  require_form(name, x, Form::u8);
  if (op.has_up() && op.gate.columns != op.up.columns)
    throw Error(name + " has " + std::to_string(op.gate.columns) + " gates for " + std::to_string(op.up.columns) +
                " columns");
  const int columns = op.gate.columns + op.up.columns;
  return append(like(x, name, columns), std::move(op), {x});
}

ValueId GraphBuilder::glu(const std::string& name, ValueId product, GluOp op) {
  const auto* branches = std::get_if<GluProduct>(&graph_.producer(product).op);
  if (!branches) throw Error(name + " reads " + graph_.name(product) + ", which has no branches");
  return append(like(product, name, branches->gate.columns), op, {product});
}

ValueId GraphBuilder::layer_norm(const std::string& name, ValueId x, NormWeights weights, int groups) {
  require_form(name, x, Form::s16);
  const int columns = graph_.columns(x);
  if (groups < 1 || columns % groups != 0)
    throw Error(name + ": " + std::to_string(columns) + " columns do not divide into " + std::to_string(groups) +
                " groups");
  return append(like(x, name, columns), LayerNormOp{.weights = std::move(weights), .groups = groups}, {x});
}

ValueId GraphBuilder::attention(const std::string& name, ValueId qkv, AttentionOp op) {
  const auto* product = std::get_if<QkvProduct>(&graph_.producer(qkv).op);
  const bool conditional = op.gate && op.gate->type != GateType::unconditional_per_head;
  const bool fits = product != nullptr && product->gate.empty() != conditional &&
                    (!conditional ||
                     (product->gate_kind == op.gate->kind &&
                      product->gate_mean == (op.gate->type == GateType::conditional_per_head) &&
                      (product->gate_kind == GateKind::dense) == (op.gate->type == GateType::conditional_per_element)));
  if (!fits) throw Error(name + ": its gate does not fit the product " + graph_.name(qkv));
  if (op.bias && (op.bias->reach < 0 || op.bias->grid_width < 0 || (op.bias->grid_height > 0) != op.bias->on_grid()))
    throw Error(name + " has a bias of scores of no distances");
  if (op.window < 0 || (op.window > 0 && (op.mask == AttentionMask::causal || (op.bias && op.bias->on_grid()))))
    throw Error(name + " has a window of keys, which only attention in both directions has, without a grid");
  if (op.most_keys < 0 || (op.most_keys > 0 && op.window > 0))
    throw Error(name + " sees " + std::to_string(op.most_keys) + " keys in a window, expected one or the other");
  const ClippedSoftmax& softmax = op.softmax;
  const bool ordinary = softmax.gamma == 0.0 && softmax.zeta == 1.0 && !softmax.softmax1 && !softmax.sink &&
                        softmax.prune == 0.0 && op.window == 0 && op.most_keys == 0;
  if (op.factors && (op.factors->reach < 0 || !ordinary))
    throw Error(name + " has factors of distances, expected an ordinary softmax of all keys beside them");
  if (op.heads != product->heads || op.head_size != product->head_size)
    throw Error(name + " has " + heads_text(op.heads, op.head_size) + ", its input " + graph_.name(qkv) + " " +
                heads_text(product->heads, product->head_size));
  return append(like(qkv, name, op.heads * op.head_size), std::move(op), {qkv});
}

ValueId GraphBuilder::embed_patches(const std::string& name, int columns, EmbedPatches op) {
  if (op.projection.columns != columns) {
    throw Error(name + ": its projection has " + std::to_string(op.projection.columns) + " columns, expected " +
                std::to_string(columns));
  }
  if (op.patch_size <= 0 || op.patches() <= 0) throw Error(name + " has no patches");
  return append({name, columns}, std::move(op), {});
}

int EmbedConvolutions::grid_width(std::size_t count) const {
  int edge = width;
  for (std::size_t i = 0; i < count; ++i) edge = layers[i].pooled(edge);
  return edge;
}

int EmbedConvolutions::grid_height(std::size_t count) const {
  int edge = height;
  for (std::size_t i = 0; i < count; ++i) edge = layers[i].pooled(edge);
  return edge;
}

ValueId GraphBuilder::embed_convolutions(const std::string& name, EmbedConvolutions op) {
  if (op.layers.empty()) throw Error(name + " has no convolutions");
  for (std::size_t i = 0; i < op.layers.size(); ++i) {
    const Convolution& layer = op.layers[i];
    const int width = op.grid_width(i), height = op.grid_height(i);
    const auto within = [](int value, int low, int high) { return low <= value && value <= high; };
    // A padding is less than a window, so that each window has something of the picture.
    const bool fits = within(layer.kernel, 1, 32) && within(layer.window, 1, 32) && within(layer.stride, 1, 32) &&
                      within(layer.window_stride, 1, 32) && within(layer.padding, 0, layer.kernel - 1) &&
                      within(layer.window_padding, 0, layer.window / 2) && within(width, 1, 4096) &&
                      within(height, 1, 4096) && width + 2 * layer.padding >= layer.kernel &&
                      height + 2 * layer.padding >= layer.kernel &&
                      layer.convolved(width) + 2 * layer.window_padding >= layer.window &&
                      layer.convolved(height) + 2 * layer.window_padding >= layer.window;
    if (!fits)
      throw Error(layer.weights.name + " has windows that do not fit what it reads, " + std::to_string(width) + " x " +
                  std::to_string(height) + " places");
    if (!within(layer.weights.columns, 1, kMaxColumns) || op.inputs(i) > kMaxColumns)
      throw Error(layer.weights.name + " reads " + std::to_string(op.inputs(i)) + " columns and makes " +
                  std::to_string(layer.weights.columns) + ", expected at most " + std::to_string(kMaxColumns));
  }
  const int columns = op.layers.back().weights.columns;
  return append({name, columns}, std::move(op), {});
}

ValueId GraphBuilder::weighted_rows(const std::string& name, ValueId x, ValueId scores) {
  require_form(name, x, Form::s16);
  require_form(name, scores, Form::s16);
  require_columns(graph_, name, scores, 1);
  if (graph_.value(x).rows != RowKind::token || graph_.value(scores).rows != RowKind::token)
    throw Error(name + " weighs rows of " + graph_.name(x) + " by " + graph_.name(scores) +
                ", expected a row per token of both");
  return append({name, graph_.columns(x), RowKind::sequence}, SelectRows{.selection = Selection::weighted, .count = 0},
                {x, scores});
}

ValueId GraphBuilder::select_rows(const std::string& name, ValueId x, SelectRows op) {
  require_form(name, x, Form::s16);
  if (op.selection == Selection::weighted) throw Error(name + " has no scores to weigh rows by");
  if (graph_.value(x).rows != RowKind::token)
    throw Error(name + " selects rows of " + graph_.name(x) + ", which has no row per token");
  if (op.count < (op.selection == Selection::first ? 1 : 0) || op.count > 1024)
    throw Error(name + " selects " + std::to_string(op.count) + " rows, expected 1 to 1024");
  const RowKind rows = op.selection == Selection::chosen ? RowKind::chosen_token : RowKind::sequence;
  return append({name, graph_.columns(x) * op.side_by_side(), rows}, op, {x});
}

ValueId GraphBuilder::reduce_tokens(const std::string& name, ValueId stream, ValueId qkv, ReduceTokens op) {
  require_form(name, stream, Form::s16);
  const Value &rows = graph_.value(stream), &chosen_by = graph_.value(qkv);
  const auto tokens = image_tokens(graph_);
  if (!tokens || rows.rows != RowKind::token)
    throw Error(name + " removes rows of " + rows.name + ", which has none of patches");
  if (!std::holds_alternative<QkvProduct>(graph_.producer(qkv).op) || chosen_by.removed != rows.removed ||
      chosen_by.merged != rows.merged)
    throw Error(name + " chooses tokens by " + chosen_by.name + ", expected queries and keys of the same tokens");
  const auto more = [&](const Value& value) { return value.removed > rows.removed; };
  if (std::any_of(graph_.values.begin(), graph_.values.end(), more))
    throw Error(name + " removes tokens of " + rows.name + ", of which others have already been removed elsewhere");
  const auto [all, prefix] = *tokens;
  const int patches = all - prefix - rows.removed, most = op.how == Reduction::merge ? patches / 2 : patches;
  if (op.removed < 1 || op.removed > most)
    throw Error(name + " removes " + std::to_string(op.removed) + " of " + std::to_string(patches) +
                " patches, expected 1 to " + std::to_string(most));
  if (op.how == Reduction::prune && op.removed < patches && (prefix == 0 || rows.merged))
    throw Error(name + " prunes tokens by what a class token reads, " +
                (rows.merged ? "of which some are merged" : "and there is none"));
  if (prefix == 0 && op.removed == patches) throw Error(name + " leaves no tokens");
  Value result = like(stream, name, rows.columns);
  result.removed += op.removed;
  result.merged |= op.how == Reduction::merge;
  return append(std::move(result), op, {stream, qkv});
}

void GraphBuilder::output(std::string_view name, ValueId value) {
  if (graph_.find_output(name)) throw Error("two outputs of the graph are named " + std::string(name));
  const std::vector<Form> makes = facts(graph_, graph_.producer(value)).makes;
  if (makes.empty() || makes.front() == Form::u8)
    throw Error(graph_.name(value) + " is the output " + std::string(name) + ", expected a value of 16 or 32 bits");
  graph_.outputs.push_back({std::string(name), value});
}

}  // namespace octavo
