#include "model_file/graph_json.h"

#include "graph/op_facts.h"
#include "model_file/old_heads.h"
#include "model_file/op_json.h"

#include "octavo/error.h"

#include <utility>

namespace octavo {
namespace {

using nlohmann::json;

/// Reads nodes back through the GraphBuilder, which checks shapes, and collects the constants.
class Reader {
 public:
  explicit Reader(GraphFromJson& result) : result_(result), integer_(result.integer) {}

  void read(const JsonObject& node) {
    const std::vector<ValueId> inputs = inputs_of(node);
    if (is_old_head(node)) {
      read_old_head(node, inputs);
    } else {
      last_body_ = read_node(node, inputs);
    }
    values_.push_back(static_cast<ValueId>(integer_.ops.size()) - 1);
  }

  /// Files of before had a last hidden state, that of the last node which is no head, and one head at most.
  void finish(const JsonObject& json) {
    if (json.has("outputs")) {
      const JsonObject outputs = json.section("outputs");
      for (const std::string& name : outputs.keys())
        builder_.output(name, outputs.integer(name, 0, static_cast<int>(values_.size()) - 1));
    } else {
      builder_.output(kHiddenState, last_body_);
      if (old_head_ >= 0) builder_.output(kLogits, old_head_);
    }
    result_.graph = builder_.finish();
  }

 private:
  std::vector<ValueId> inputs_of(const JsonObject& node) const {
    std::vector<ValueId> ids = node.integers("inputs", 0, static_cast<int>(values_.size()) - 1);
    for (ValueId& id : ids) id = values_[static_cast<std::size_t>(id)];
    return ids;
  }

  ValueId read_node(const JsonObject& json, const std::vector<ValueId>& inputs) {
    std::optional<Op> op = op_of_name(json.text("op"));
    if (!op) json.fail("op", "an op of this version");
    return std::visit(
        [&](auto& own) {
          Constants<std::decay_t<decltype(own)>> constants;
          Fields node(json);
          describe(node, own, constants);
          const ValueId value = append(builder_, ReadNode(json, inputs), std::move(own), constants);
          integer_.ops.push_back(std::move(constants));
          return value;
        },
        *op);
  }

  void read_old_head(const JsonObject& head, std::vector<ValueId> inputs) {
    if (inputs.size() != 1) head.fail("inputs", "1 earlier nodes");
    const Encoding read = output_encoding(integer_.ops[static_cast<std::size_t>(inputs[0])]);
    const TodaysNodes todays = todays_nodes(head, read.scale);
    for (const json& node : todays.nodes) inputs = {read_node(JsonObject(node, head.where()), inputs)};
    old_head_ = inputs[0];
    result_.renamed.insert(result_.renamed.end(), todays.renamed.begin(), todays.renamed.end());
  }

  GraphFromJson& result_;
  QuantizedGraph& integer_;
  GraphBuilder builder_;
  std::vector<ValueId> values_;  // by node of the file
  ValueId last_body_ = 0;        // node that is no head
  ValueId old_head_ = -1;
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
    Fields fields(entry);
    visit_with_constants(node.op, integer.ops.at(i), [&](auto op, auto constants) { describe(fields, op, constants); });
    nodes.push_back(std::move(entry));
  }
  return nodes;
}

GraphFromJson read_graph(const JsonObject& json) {
  GraphFromJson result;
  Reader reader(result);
  for (const JsonObject& node : json.list("nodes")) reader.read(node);
  if (result.integer.ops.empty()) json.fail("nodes", "at least one node");
  reader.finish(json);
  return result;
}

}  // namespace octavo
