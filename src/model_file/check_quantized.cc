#include "model_file/check_quantized.h"

#include "graph/op_facts.h"
#include "model_file/op_json.h"

namespace octavo {
namespace {

/// An output is made in 16 bits, all in the same steps, or of logits.
void check_output(const Graph& graph, NodeCheck& node, const GraphOutput& output) {
  node.at(output.value);
  const bool logits = facts(graph, graph.producer(output.value)).makes == std::vector{Form::s32};
  if (!node.has_rows16() && !logits) node.fail("is the output " + output.name + ", which its constants do not make");
  if (node.has_outliers()) node.fail("is the output " + output.name + ", expected one without outlier columns");
}

/// Logits are of classes, of tokens of the vocabulary where the model predicts one, or of neither.
void check_logits(const Model::Data& data, const NodeCheck& hidden) {
  const GraphOutput* output = data.graph.find_output(kLogits);
  const bool chosen = output && data.graph.value(output->value).rows == RowKind::chosen_token;
  if (data.info.decoder && !chosen)
    hidden.fail("belongs to a model that predicts the next token without logits of tokens");
  if (chosen && data.graph.columns(output->value) != data.info.vocab_size)
    hidden.fail("belongs to a model whose logits are not over its vocabulary");
  const bool tells_none_apart = data.info.classes == 0 && !data.info.image;  // which tokens of a text were replaced
  if (!tells_none_apart && (output && !chosen ? data.graph.columns(output->value) : 0) != data.info.classes)
    hidden.fail("belongs to a model whose logits do not have as many columns as there are classes");
}

}  // namespace

void check_quantized(const Model::Data& data) {
  const Graph& graph = data.graph;
  NodeCheck node(data);
  for (const Node& each : graph.nodes) {
    node.at(each.output);
    visit_with_constants(each.op, data.integer->ops.at(static_cast<std::size_t>(each.output)),
                         [&](const auto& op, const auto& constants) { check(node, op, constants); });
  }
  for (const GraphOutput& output : graph.outputs) check_output(graph, node, output);
  node.at(graph.hidden());
  if (node.columns() != data.info.hidden_size) node.fail("does not have hidden_size columns");
  if (data.info.image.has_value() != facts(graph, graph.nodes.front()).reads_pixels)
    node.fail("belongs to a graph whose first op does not read what the model takes");
  check_logits(data, node);
}

}  // namespace octavo
