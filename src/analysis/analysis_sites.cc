#include "analysis/analysis_sites.h"

#include "graph/names.h"

namespace octavo {
namespace {

template <typename T>
bool makes(const Graph& graph, ValueId value) {
  return std::holds_alternative<T>(graph.producer(value).op);
}

/// A sum of the residual stream with what a feed-forward network makes.
bool ends_ffn(const Graph& graph, const Node& node) {
  return std::holds_alternative<LinearAdd>(node.op) && makes<Linear>(graph, node.inputs[0]);
}

struct Activations {
  const Graph& graph;
  const Node& node;
  std::vector<Site>& sites;

  const std::string& name() const { return graph.name(node.output); }

  void operator()(const EmbedTokens&) const {
    sites.push_back({stage_name(name(), Stage::partial), "embedding sum"});
    sites.push_back({name(), "embedding sum"});
  }
  void operator()(const LayerNormOp&) const {
    const bool layer_output = ends_ffn(graph, graph.producer(node.inputs[0]));
    sites.push_back({name(), "LayerNorm", layer_output});
  }
  void operator()(const QkvProduct& op) const {
    sites.push_back({op.query.name, "query"});
    sites.push_back({op.key.name, "key"});
    sites.push_back({op.value.name, "value"});
  }
  void operator()(const AttentionOp&) const {
    sites.push_back({stage_name(name(), Stage::scores), "scores"});
    sites.push_back({stage_name(name(), Stage::probs), "probabilities"});
    sites.push_back({name(), "context"});
  }
  void operator()(const Linear& op) const {
    if (op.makes == Form::u8) sites.push_back({name(), "activation"});
  }
  void operator()(const LinearAdd&) const {
    const bool ffn = ends_ffn(graph, node);
    sites.push_back({stage_name(name(), Stage::product), ffn ? kFfnOutput : "attention output", ffn});
    sites.push_back({name(), "residual sum"});
  }
  void operator()(const EmbedPatches&) const {}  // analyze() refuses models of images
  void operator()(const SelectRows&) const {}
};

struct Weights {
  std::vector<Site>& sites;
  void operator()(const EmbedTokens& op) const {
    for (const std::string* table : {&op.word, &op.position, &op.type}) {
      if (!table->empty()) sites.push_back({*table, "embedding table"});
    }
  }
  void operator()(const QkvProduct& op) const {
    for (const LinearBlock* block : {&op.query, &op.key, &op.value}) sites.push_back({block->weight, "weights"});
  }
  void operator()(const Linear& op) const {
    if (op.reads == Form::u8) sites.push_back({op.weights.weight, "weights"});
  }
  void operator()(const LinearAdd& op) const { sites.push_back({op.weights.weight, "weights"}); }
  void operator()(const LayerNormOp&) const {}
  void operator()(const AttentionOp&) const {}
  void operator()(const EmbedPatches&) const {}
  void operator()(const SelectRows&) const {}
};

}  // namespace

std::vector<Site> activation_sites(const Graph& graph) {
  std::vector<Site> sites;
  for (const Node& node : graph.nodes) std::visit(Activations{graph, node, sites}, node.op);
  return sites;
}

std::vector<Site> weight_sites(const Graph& graph) {
  std::vector<Site> sites;
  for (const Node& node : graph.nodes) std::visit(Weights{sites}, node.op);
  return sites;
}

std::string remedy(std::string_view kind) {
  if (kind == "residual sum" || kind == kFfnOutput || kind == "attention output" || kind == "embedding sum") {
    return "a 16-bit residual stream: --residual int16, the default";
  }
  if (kind == "weights") return "a scale per output channel: --weights per-channel, the default";
  if (kind == "embedding table") return "a scale per row, as the default has it";
  if (kind == "LayerNorm") return "equalizing the columns of this LayerNorm";
  if (kind == "activation") return "saturating copies of its outlier neurons";
  if (kind == "scores") return "scores in 16 bits, as the default has them";
  if (kind == "probabilities") return "probabilities relative to the largest of their row, as the default has them";
  return "a model trained with clipped softmax or gates";
}

}  // namespace octavo
