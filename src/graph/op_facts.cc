#include "graph/op_facts.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <utility>

namespace octavo {
namespace {

/// By place in Op.
constexpr std::string_view kNames[] = {"EmbedTokens", "QkvProduct", "Linear",       "LinearAdd",
                                       "LayerNorm",   "Attention",  "EmbedPatches", "SelectRows",
                                       "GluProduct",  "Glu",        "ReduceTokens", "EmbedConvolutions"};
static_assert(std::size(kNames) == std::variant_size_v<Op>);

std::vector<std::string> without_empty(std::vector<std::string> names) {
  std::erase_if(names, [](const std::string& name) { return name.empty(); });
  return names;
}

/// One overload per op: without its own, a new op does not compile.
struct Facts {
  const Graph& graph;
  const Node& node;

  int inputs() const { return graph.columns(node.inputs[0]); }

  OpFacts operator()(const EmbedTokens& op) const {
    return {.makes = {Form::s16, Form::u8},
            .words = op.word,
            .tensors = without_empty({op.position, op.type, op.projection}),
            .rounded = without_empty({op.word, op.position, op.type})};
  }
  OpFacts operator()(const QkvProduct& op) const {
    OpFacts result{.depth = inputs(), .values = {&op.query, &op.key, &op.value}};
    for (const LinearBlock* block : result.values) {
      result.blocks.push_back({block});
      result.rounded.push_back(block->weight);
    }
    const int gates = static_cast<int>(op.gate.size());  // one of all heads, or each with its slice of the inputs
    for (int i = 0; i < gates; ++i)
      result.blocks.push_back({&op.gate[static_cast<std::size_t>(i)], inputs() / gates * i});
    for (const LinearBlock& block : op.gate_output) {
      result.tensors.push_back(block.weight);
      result.tensors.push_back(block.bias);
    }
    if (op.rotary) result.tensors.push_back(op.rotary->table);
    return result;
  }
  OpFacts operator()(const GluProduct& op) const {
    OpFacts result{.blocks = {{&op.gate}},
                   .depth = inputs(),
                   .values = {&op.gate},
                   .values_form = Form::s16,
                   .rounded = {op.gate.weight}};
    if (!op.has_up()) return result;
    result.blocks.push_back({&op.up});
    result.values.push_back(&op.up);
    result.rounded.push_back(op.up.weight);
    return result;
  }
  OpFacts operator()(const GluOp&) const {
    const auto& branches = std::get<GluProduct>(graph.producer(node.inputs[0]).op);
    return {.makes = {Form::u8}, .passes_column_scales = branches.has_up()};
  }
  OpFacts operator()(const Linear& op) const {
    OpFacts result{.makes = {op.makes},
                   .reads = op.reads,
                   .blocks = {{&op.weights}},
                   .depth = inputs(),
                   .activation = op.activation};
    if (op.makes == Form::s16 && op.activation == Activation::none) result.makes.push_back(Form::u8);
    if (op.reads == Form::u8) result.rounded = {op.weights.weight};  // heads of 16-bit rows are left as they are
    return result;
  }
  OpFacts operator()(const LinearAdd& op) const {
    return {.makes = {Form::s16},
            .blocks = {{&op.weights}},
            .depth = inputs(),
            .adds = true,
            .rounded = {op.weights.weight}};
  }
  OpFacts operator()(const LayerNormOp& op) const {
    return {.makes = {Form::s16, Form::u8},
            .reads = Form::s16,
            .normalises = true,
            .tensors = {op.weights.gain, op.weights.bias},
            .rounded = {op.weights.gain}};
  }
  OpFacts operator()(const AttentionOp& op) const {
    OpFacts result{.makes = {Form::u8}, .passes_column_scales = true, .attention = attention_facts(graph, node)};
    if (op.gate) result.tensors = without_empty({op.gate->logits});
    if (op.bias) result.tensors.push_back(op.bias->table);
    if (!op.sink.empty()) result.tensors.push_back(op.sink);
    if (op.factors) result.tensors.push_back(op.factors->table);
    return result;
  }
  OpFacts operator()(const EmbedPatches& op) const {
    OpFacts result{.makes = {Form::s16},
                   .blocks = {{&op.projection}},
                   .depth = op.inputs(),
                   .reads_pixels = true,
                   .tensors = {op.position},
                   .rounded = {op.projection.weight}};
    for (const PrefixRows& rows : op.prefix) result.tensors.push_back(rows.token);
    if (op.norm) result.tensors.insert(result.tensors.end(), {op.norm->gain, op.norm->bias});
    return result;
  }
  OpFacts operator()(const EmbedConvolutions& op) const {
    OpFacts result{.makes = {Form::s16}, .reads_pixels = true};
    for (const Convolution& layer : op.layers) {
      result.tensors.insert(result.tensors.end(), {layer.weights.weight, layer.weights.bias});
      result.rounded.push_back(layer.weights.weight);
    }
    result.tensors.push_back(op.position);
    result.tensors = without_empty(std::move(result.tensors));
    return result;
  }
  OpFacts operator()(const SelectRows&) const { return {.makes = {Form::s16}, .reads = Form::s16}; }
  OpFacts operator()(const ReduceTokens&) const {
    return {.makes = {Form::s16}, .reads = Form::s16, .keeps_codes = true};
  }
};

std::string describe(const Encoding& encoding, const char* type) {
  std::ostringstream out;
  out << type << " scale " << encoding.scale << " zero " << encoding.zero_point;
  return out.str();
}

std::string describe(const Refined& refined) {
  return (refined.fine_bits > 0 ? " + " + std::to_string(refined.fine_bits) + " bits" : "") +
         std::string(refined.coarse ? " + weights" : "");
}

/// Stream codes are held without zero point; 8-bit ones are not wider than 255.
CodedValue stream(const Encoding& encoding, bool eight_bit) {
  CodedValue value{.encoding = {.scale = encoding.scale}};
  if (eight_bit) {
    value.low = -encoding.zero_point;
    value.high = 255 - encoding.zero_point;
  }
  return value;
}

CodedValue bytes(const Encoding& encoding, const Refined& refined, int columns = 0) {
  return {.place = CodedValue::Place::bytes,
          .columns = columns,
          .encoding = encoding,
          .low = 0,
          .high = 255,
          .refined = refined};
}

/// One overload per op.
struct OfConstants {
  ConstantsFacts operator()(const QuantizedEmbedTokens& c) const {
    return {.output = c.sum, .values = {stream(c.sum, c.partial.has_value())}};
  }
  ConstantsFacts operator()(const QuantizedQkv& c) const {
    using Place = CodedValue::Place;
    const int low = c.asymmetric ? -128 : -127;
    const auto value = [](Place place, const QuantizedBlock& block, int least, int most,
                          const std::optional<QuantizedBytes>& rotated = {}) {
      return CodedValue{.place = place,
                        .name = block.name,
                        .columns = block.columns,
                        .encoding = rotated ? rotated->encoding : block.encoding,
                        .low = least,
                        .high = most};
    };
    return {.values = {value(Place::query, c.query, 0, 255, c.rotated_query),
                       value(Place::key, c.key, low, 127, c.rotated_key), value(Place::value, c.value, low, 127)}};
  }
  ConstantsFacts operator()(const QuantizedGluProduct&) const { return {}; }
  ConstantsFacts operator()(const QuantizedGlu& c) const { return {.values = {bytes(c.output, c.refined)}}; }
  ConstantsFacts operator()(const QuantizedLinear& c) const {
    return {.output = c.table ? c.activated : c.block.encoding,
            .values = {c.makes_bytes ? stream(c.block.encoding, false)
                                     : bytes(c.block.encoding, c.refined, c.block.columns)}};
  }
  ConstantsFacts operator()(const QuantizedLinearAdd& c) const {
    CodedValue sum = stream(c.block.encoding, c.eight_bit);
    if (!c.outlier_columns.empty()) sum.column_scale.resize(static_cast<std::size_t>(c.block.columns), 1.0f);
    for (std::size_t i = 0; i < c.outlier_columns.size(); ++i)
      sum.column_scale[static_cast<std::size_t>(c.outlier_columns[i])] = std::ldexp(1.0f, c.outlier_shifts[i]);
    return {.output = c.block.encoding, .values = {sum}};
  }
  ConstantsFacts operator()(const QuantizedLayerNorm& c) const {
    ConstantsFacts result{.output = c.stream.encoding};
    if (c.stream.exists)
      result.values = {{.encoding = {.scale = c.stream.encoding.scale}, .low = c.stream.low, .high = c.stream.high}};
    return result;
  }
  ConstantsFacts operator()(const QuantizedAttention& c) const { return {.values = {bytes(c.context, c.refined)}}; }
  ConstantsFacts operator()(const QuantizedEmbedPatches& c) const { return {.output = c.stream}; }
  ConstantsFacts operator()(const QuantizedSelectRows& c) const { return {.output = c.encoding}; }
  ConstantsFacts operator()(const QuantizedReduceTokens& c) const { return {.output = c.encoding}; }
  ConstantsFacts operator()(const QuantizedEmbedConvolutions& c) const { return {.output = c.stream}; }
};

/// One overload per op.
struct Describe {
  std::string operator()(const QuantizedEmbedTokens& c) const {
    return describe(c.sum, c.partial ? "u8" : "s16") + (c.fine_words ? " + words" : "");
  }
  std::string operator()(const QuantizedQkv& c) const {
    return "q " + describe(c.rotated_query ? c.rotated_query->encoding : c.query.encoding, "u8") + ", k " +
           describe(c.rotated_key ? c.rotated_key->encoding : c.key.encoding, "s8") + ", v " +
           describe(c.value.encoding, "s8") +
           (c.gate.empty() ? ""
                           : ", gate " + describe(c.gate[0].encoding, c.gate_output.empty() ? "s16" : "hidden u8"));
  }
  std::string operator()(const QuantizedGluProduct& c) const {
    return "gate " + describe(c.gate.encoding, "s16") +
           (c.up.columns > 0 ? ", up " + describe(c.up.encoding, "s16") : "");
  }
  std::string operator()(const QuantizedGlu& c) const { return describe(c.output, "u8") + describe(c.refined); }
  std::string operator()(const QuantizedLinear& c) const {
    return (c.bytes ? "input " + describe(c.bytes->encoding, "u8") + ", " : "") +
           describe(c.table ? c.activated : c.block.encoding, "codes") + describe(c.refined) +
           (c.makes_bytes ? ", " + describe(c.makes_bytes->encoding, "u8") : "");
  }
  std::string operator()(const QuantizedLinearAdd& c) const {
    const std::size_t outliers = c.outlier_columns.size();
    return describe(c.block.encoding, c.eight_bit ? "u8" : "s16") +
           (outliers == 0 ? "" : " + " + std::to_string(outliers) + " outlier columns");
  }
  std::string operator()(const QuantizedLayerNorm& c) const {
    std::string text = c.bytes.exists ? describe(c.bytes.encoding, "u8") + describe(c.refined) : "";
    if (c.stream.exists) text += (text.empty() ? "" : ", ") + describe(c.stream.encoding, "stream s16");
    return text;
  }
  std::string operator()(const QuantizedAttention& c) const { return describe(c.context, "u8") + describe(c.refined); }
  std::string operator()(const QuantizedEmbedPatches& c) const { return describe(c.stream, "s16"); }
  std::string operator()(const QuantizedSelectRows& c) const { return describe(c.encoding, "s16"); }
  std::string operator()(const QuantizedReduceTokens& c) const { return describe(c.encoding, "s16"); }
  std::string operator()(const QuantizedEmbedConvolutions& c) const { return describe(c.stream, "s16"); }
};

/// The op at this place of Op.
template <std::size_t... places>
Op op_at(std::size_t place, std::index_sequence<places...>) {
  Op op;
  ((place == places ? static_cast<void>(op.emplace<places>()) : static_cast<void>(0)), ...);
  return op;
}

}  // namespace

OpFacts facts(const Graph& graph, const Node& node) { return std::visit(Facts{graph, node}, node.op); }

AttentionFacts heads_of(const Graph& graph, ValueId product) {
  const auto& op = std::get<QkvProduct>(graph.producer(product).op);
  return {.heads = op.heads, .head_size = op.head_size, .key_value_heads = op.key_value_heads()};
}

std::optional<AttentionFacts> attention_facts(const Graph& graph, const Node& node) {
  const auto* op = std::get_if<AttentionOp>(&node.op);
  if (!op) return std::nullopt;
  AttentionFacts result = heads_of(graph, node.inputs[0]);
  result.mask = op->mask;
  result.gate = op->gate;
  return result;
}

std::string_view op_name(const Op& op) { return kNames[op.index()]; }

std::optional<Op> op_of_name(std::string_view name) {
  const auto found = std::find(std::begin(kNames), std::end(kNames), name);
  if (found == std::end(kNames)) return std::nullopt;
  return op_at(static_cast<std::size_t>(found - std::begin(kNames)), std::make_index_sequence<std::size(kNames)>());
}

bool is_body_product(const Graph& graph, const Node& node) {
  const OpFacts known = facts(graph, node);
  return known.depth > 0 && !node.inputs.empty() && known.reads == Form::u8 &&
         graph.value(node.output).rows == RowKind::token && (known.makes.empty() || known.makes.front() != Form::s32);
}

bool is_chosen_logits(const Graph& graph, const Node& node) {
  return facts(graph, node).makes == std::vector{Form::s32} && graph.value(node.output).rows == RowKind::chosen_token;
}

ConstantsFacts facts(const QuantizedOp& constants) { return std::visit(OfConstants{}, constants); }

std::string describe_encodings(const QuantizedOp& constants) { return std::visit(Describe{}, constants); }

Encoding output_encoding(const QuantizedOp& constants) {
  const std::optional<Encoding> output = facts(constants).output;
  if (!output) throw Error("an output of the graph is made in 8 bits, expected 16 or 32");
  return *output;
}

}  // namespace octavo
