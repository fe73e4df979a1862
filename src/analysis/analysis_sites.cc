#include "analysis/analysis_sites.h"

#include "graph/names.h"
#include "graph/op_facts.h"

namespace octavo {
namespace {

/// A sum of the residual stream with what a feed-forward network makes.
bool ends_ffn(const Graph& graph, const Node& node) {
  return facts(graph, node).adds && !facts(graph, graph.producer(node.inputs[0])).attention;
}

void add_sites(const Graph& graph, const Node& node, std::vector<Site>& sites) {
  const OpFacts known = facts(graph, node);
  const std::string& name = graph.name(node.output);
  const auto add = [&](std::string of, std::string kind) { sites.push_back({std::move(of), std::move(kind)}); };
  if (!known.words.empty()) {
    add(stage_name(name, Stage::partial), "embedding sum");
    add(name, "embedding sum");
  } else if (known.normalises) {
    sites.push_back({name, "LayerNorm", ends_ffn(graph, graph.producer(node.inputs[0]))});
  } else if (!known.values.empty()) {
    if (known.values_form != Form::u8) return;  // 16 bits lose next to nothing
    const char* kinds[] = {"query", "key", "value"};
    for (std::size_t i = 0; i < known.values.size(); ++i) add(known.values[i]->name, kinds[i]);
  } else if (known.attention) {
    add(stage_name(name, Stage::scores), "scores");
    add(stage_name(name, Stage::probs), "probabilities");
    add(name, "context");
  } else if (known.adds) {
    const bool ffn = ends_ffn(graph, node);
    sites.push_back({stage_name(name, Stage::product), ffn ? kFfnOutput : "attention output", ffn});
    add(name, "residual sum");
  } else if (known.makes == std::vector{Form::u8}) {
    add(name, known.passes_column_scales ? "gated unit" : "activation");
  }
}

/// Nodes of the body. Heads read 16-bit rows and lose next to nothing.
template <typename Visit>
void for_body(const Graph& graph, const Visit& visit) {
  const std::vector<bool> body = graph.needed_for(graph.hidden());
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    if (body[i]) visit(graph.nodes[i]);
}

}  // namespace

std::vector<Site> activation_sites(const Graph& graph) {
  std::vector<Site> sites;
  for_body(graph, [&](const Node& node) { add_sites(graph, node, sites); });
  return sites;
}

std::vector<Site> weight_sites(const Graph& graph) {
  std::vector<Site> sites;
  for_body(graph, [&](const Node& node) {
    const OpFacts known = facts(graph, node);
    if (known.normalises) return;
    for (const std::string& name : known.rounded)
      sites.push_back({name, known.words.empty() ? "weights" : "embedding table"});
  });
  return sites;
}

std::string remedy(std::string_view kind) {
  if (kind == "residual sum" || kind == kFfnOutput || kind == "attention output" || kind == "embedding sum") {
    return "a 16-bit residual stream (residual int16), as the default has it";
  }
  if (kind == "weights") return "a scale per output channel (per-channel weights), as the default has it";
  if (kind == "embedding table") return "a scale per row, as the default has it";
  if (kind == "LayerNorm") return "equalizing the columns of this LayerNorm";
  if (kind == "activation") return "channel splits of its outlier neurons";
  if (kind == "gated unit") return "extra bits of it";
  if (kind == "scores") return "scores in 16 bits, as the default has them";
  if (kind == "probabilities") return "probabilities relative to the largest of their row, as the default has them";
  return "a model trained with clipped softmax or gates";
}

}  // namespace octavo
