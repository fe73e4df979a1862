// Graph and integer constants of a model as JSON.
#include "graph/op_facts.h"
#include "model_file/attention_json.h"
#include "model_file/graph_json.h"
#include "model_file/graph_json_names.h"

#include "octavo/error.h"

namespace octavo {
namespace {

using nlohmann::json;

json to_json(const Encoding& encoding) { return {{"scale", encoding.scale}, {"zero_point", encoding.zero_point}}; }

json to_json(const QuantizedBlock& block) {
  return {{"name", block.name},
          {"first_column", block.first_column},
          {"columns", block.columns},
          {"shift", block.shift},
          {"encoding", to_json(block.encoding)}};
}

json to_json(const QuantizedLane& lane) {
  if (!lane.exists) return nullptr;
  return {{"shift", lane.shift}, {"low", lane.low}, {"high", lane.high}, {"encoding", to_json(lane.encoding)}};
}

json to_json(const QuantizedBytes& bytes) {
  return {{"encoding", to_json(bytes.encoding)}, {"multiplier", bytes.multiplier}, {"shift", bytes.shift}};
}

/// Attributes and integer constants of a node: one overload per op.
struct Writer {
  json& node;

  void operator()(const EmbedTokens& op, const QuantizedEmbedTokens& constants) {
    node["types"] = !op.type.empty();
    node["integer"] = {{"sum", to_json(constants.sum)}};
    if (constants.bytes) node["integer"]["bytes"] = to_json(*constants.bytes);
    if (constants.fine_words) node["integer"]["fine_words"] = true;
    if (constants.partial) {
      node["integer"]["paper"] = {{"partial", to_json(*constants.partial)},
                                  {"partial_multiplier", constants.partial_multiplier}};
    }
  }
  void put(const Refined& refined) {
    if (refined.times() > 1)
      node["integer"]["refined"] = {{"fine_bits", refined.fine_bits}, {"coarse", refined.coarse}};
  }
  void operator()(const QkvProduct& op, const QuantizedQkv& constants) {
    node["heads"] = op.heads;
    node["head_size"] = op.head_size;
    json integer = {{"depth", constants.depth},
                    {"query", to_json(constants.query)},
                    {"key", to_json(constants.key)},
                    {"value", to_json(constants.value)}};
    if (constants.asymmetric) integer["asymmetric"] = true;
    if (!constants.gate.empty()) {
      integer["gate"] = to_json(constants.gate[0]);
      node["gate"] = {{"kind", name_in(kGateKinds, op.gate_kind)}, {"mean", op.gate_mean}};
    }
    if (!constants.gate_output.empty()) {
      const QuantizedGateOutput& output = constants.gate_output[0];
      integer["gate_output"] = {{"depth", output.depth}, {"block", to_json(output.block)}};
    }
    node["integer"] = std::move(integer);
  }
  void operator()(const Linear& op, const QuantizedLinear& constants) {
    node["activation"] = name_in(kActivations, op.activation);
    if (op.reads != Form::u8) node["reads"] = name_in(kForms, op.reads);
    if (op.makes != Form::u8) node["makes"] = name_in(kForms, op.makes);
    json integer = {{"depth", constants.depth}, {"block", to_json(constants.block)}};
    if (constants.pieces) {
      integer["gelu"] = {{"fraction_bits", constants.gelu_fraction_bits},
                         {"limit", constants.gelu_limit},
                         {"normalize", constants.gelu_normalize},
                         {"inverse", constants.gelu_inverse}};
    }
    if (constants.bytes) integer["bytes"] = to_json(*constants.bytes);
    if (constants.table) integer["activated"] = to_json(constants.activated);
    node["integer"] = std::move(integer);
    put(constants.refined);
  }
  void operator()(const LinearAdd&, const QuantizedLinearAdd& constants) {
    json integer = {{"depth", constants.depth}, {"block", to_json(constants.block)}};
    if (constants.stream_shift > 0) integer["stream_shift"] = constants.stream_shift;
    if (constants.eight_bit) {
      integer["eight_bit"] = {{"product", to_json(constants.product)},
                              {"product_multiplier", constants.product_multiplier},
                              {"stream_multiplier", constants.stream_multiplier}};
    }
    node["integer"] = std::move(integer);
  }
  void operator()(const LayerNormOp& op, const QuantizedLayerNorm& constants) {
    node["layer_norm_eps"] = op.weights.epsilon;
    if (op.groups > 1) node["groups"] = op.groups;
    node["integer"] = {
        {"epsilon", constants.epsilon}, {"bytes", to_json(constants.bytes)}, {"stream", to_json(constants.stream)}};
    put(constants.refined);
  }
  void operator()(const AttentionOp& op, const QuantizedAttention& constants) {
    node["heads"] = op.heads;
    node["head_size"] = op.head_size;
    node["mask"] = name_in(kMasks, op.mask);
    node["softmax"] = to_json(op.softmax);
    if (op.gate) {
      node["gate"] = {{"type", name_in(kGateTypes, op.gate->type)},
                      {"kind", name_in(kGateKinds, op.gate->kind)},
                      {"scale", op.gate->scale}};
    }
    node["integer"] = {{"score_multiplier", constants.score_multiplier},
                       {"score_shift", constants.score_shift},
                       {"clipped", constants.clipped},
                       {"theta", constants.theta},
                       {"cap", constants.cap},
                       {"multiplier", constants.multiplier},
                       {"shift", constants.shift},
                       {"context", to_json(constants.context)}};
    put(constants.refined);
    if (constants.softmax1) node["integer"]["softmax1"] = true;
    if (constants.wide) node["integer"]["wide"] = true;
    if (constants.prune > 0) node["integer"]["prune"] = constants.prune;
    if (!constants.levels.edges.empty()) node["integer"]["levels"] = to_json(constants.levels);
    if (!constants.paper) return;
    const QuantizedPaperAttention& paper = *constants.paper;
    node["integer"]["paper"] = {{"score_multiplier", paper.score_multiplier},
                                {"score_shift", paper.score_shift},
                                {"score", to_json(paper.score)},
                                {"slope", paper.slope},
                                {"offset", paper.offset},
                                {"most", paper.most}};
  }
  void operator()(const EmbedPatches& op, const QuantizedEmbedPatches& constants) {
    node["patch_size"] = op.patch_size;
    node["grid"] = {op.grid_width, op.grid_height};
    node["prefix_rows"] = op.prefix_rows();
    json integer = {{"depth", constants.depth},
                    {"block", to_json(constants.block)},
                    {"stream", to_json(constants.stream)},
                    {"low", constants.low},
                    {"high", constants.high}};
    if (op.norm) {
      node["layer_norm_eps"] = op.norm->epsilon;
      integer["norm"] = {{"epsilon", constants.epsilon}, {"stream", to_json(constants.norm)}};
    }
    node["integer"] = std::move(integer);
  }
  void operator()(const SelectRows& op, const QuantizedSelectRows& constants) {
    node["selection"] = name_in(kSelections, op.selection);
    node["count"] = op.count;
    node["integer"] = {{"encoding", to_json(constants.encoding)}};
  }
};

}  // namespace

json outputs_to_json(const Graph& graph) {
  json outputs = json::object();
  for (const GraphOutput& output : graph.outputs) outputs[output.name] = output.value;
  return outputs;
}

json nodes_to_json(const Graph& graph, const QuantizedGraph& integer) {
  json nodes = json::array();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    json entry = {{"op", op_name(node.op)},
                  {"name", graph.name(node.output)},
                  {"columns", graph.columns(node.output)},
                  {"inputs", node.inputs}};
    visit_with_constants(node.op, integer.ops.at(i), Writer{entry});
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

}  // namespace octavo
