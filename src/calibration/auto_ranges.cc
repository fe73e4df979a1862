#include "calibration/auto_ranges.h"

#include "graph/op_facts.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {

void Rounding::apply(std::span<float> values, int columns) const {
  const auto width = static_cast<std::size_t>(columns);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::size_t j = i % width;
    const float scale = equalization ? equalization->scale[j] : 1.0f,
                shift = equalization ? equalization->shift[j] : 0.0f;
    const double x = static_cast<double>((values[i] - shift) / scale);
    const double high = static_cast<double>(quantizer.high) * (channel_splits.empty() ? 1 : channel_splits[j]);
    const double code = std::clamp(std::nearbyint(x / quantizer.scale) + quantizer.zero_point,
                                   static_cast<double>(quantizer.low), high);
    values[i] = static_cast<float>((code - quantizer.zero_point) * quantizer.scale) * scale + shift;
  }
}

BlockError::BlockError(const FloatExecutor& executor, const Graph& graph, RaggedBatch batch, Workspace::Data& workspace)
    : executor_(executor), graph_(graph), batch_(std::move(batch)), workspace_(workspace) {
  std::vector<std::string> norms;
  for (const Node& node : graph.nodes) {
    if (facts(graph, node).normalises) norms.push_back(graph.name(node.output));
  }
  const Observer keep = [&](std::string_view name, std::span<const float> values, int) {
    if (std::find(norms.begin(), norms.end(), name) != norms.end()) {
      exact_[std::string(name)].assign(values.begin(), values.end());
    }
  };
  executor.run(batch_, workspace, {.observer = keep});
}

std::string BlockError::end_of_block(const std::string& value) const {
  const auto makes = [&](const Node& node) {
    const std::vector<const LinearBlock*> qkv = facts(graph_, node).values;
    const auto named = [&](const LinearBlock* block) { return block->name == value; };
    return graph_.name(node.output) == value || std::any_of(qkv.begin(), qkv.end(), named);
  };
  auto node = std::find_if(graph_.nodes.begin(), graph_.nodes.end(), makes);
  while (node != graph_.nodes.end() && ++node != graph_.nodes.end()) {
    if (facts(graph_, *node).normalises) return graph_.name(node->output);
  }
  throw Error(value + " is not followed by a LayerNorm");
}

double BlockError::error(const std::string& value, const Rounding& rounding) const {
  const std::string end = end_of_block(value);
  const std::vector<float>& exact = exact_.at(end);
  double sum = 0.0;
  const auto compare = [&](std::string_view name, std::span<const float> values, int) {
    if (name != end) return;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double difference = static_cast<double>(values[i]) - static_cast<double>(exact[i]);
      sum += difference * difference;
    }
  };
  const auto edit = [&](std::string_view name, std::span<float> values, int columns) {
    if (name == value) rounding.apply(values, columns);
  };
  executor_.run(batch_, workspace_, {.observer = compare, .editor = edit});
  return sum;
}

}  // namespace octavo
