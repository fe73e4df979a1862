// The order of nodes, and the scales of the residual stream.
#include "quantize/quantize.h"

#include "base/fixed_point.h"
#include "quantize/graph_quantizer.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {

constexpr double kStreamGrowth =
    16.0;  // of a run of sums above which one scale for all would be too coarse for the first

namespace {

/// What follows pooling stays float32.
void keep_modules(const Model::Data& model, Model::Data& quantized) {
  quantized.modules = model.modules;
  for (const EmbeddingModule& module : model.modules) {
    for (const auto& [name, shape] : tensors_of(module)) quantized.tensors.emplace(name, tensor(model.tensors, name));
  }
}

}  // namespace

Model::Data GraphQuantizer::run() {
  choose_stream_quantizers();
  for (const Node& node : model_.graph.nodes) {
    result_.ops.push_back(
        std::visit([&](const auto& op) -> QuantizedOp { return quantize_op(*this, op, node); }, node.op));
  }
  Model::Data data;
  data.info = model_.info;
  data.graph = model_.graph;
  data.tensors = std::move(tensors_);
  data.tokenizer = model_.tokenizer;
  data.labels = model_.labels;
  keep_modules(model_, data);
  data.integer = std::move(result_);
  return data;
}

Range GraphQuantizer::range(const std::string& name) const {
  const auto found = ranges_.find(name);
  if (found == ranges_.end()) throw Error("calibration has no range for " + name);
  if (!std::isfinite(found->second.low) || !std::isfinite(found->second.high) ||
      found->second.low > found->second.high) {
    throw Error("the calibrated range of " + name + " is not finite");
  }
  return found->second;
}

void GraphQuantizer::choose_stream_quantizers() {
  for (const Node& node : model_.graph.nodes) {
    if (facts(graph(), node).adds) {
      stream(node.output) = stream_quantizer(node.output);
      const OpFacts residual = facts(graph(), graph().producer(node.inputs[1]));
      const bool projected = residual.reads == Form::s16 && residual.depth > 0;
      if (eight_bit() && (projected || (!options_.static_w8a8 && makes_embeddings(node.inputs[1])))) {
        throw Error(model_.graph.name(node.output) +
                    ": 8-bit sums need a LayerNorm after the token embeddings, expected a 16-bit residual stream");
      }
      stream(node.inputs[1]) = eight_bit() ? stream_quantizer(node.inputs[1]) : stream(node.output);
    }
  }
  if (!eight_bit()) share_stream_scales();
  for (const Node& node : model_.graph.nodes) {
    const bool own = facts(graph(), node).normalises && !in_sum(node.output) && feeds_stream(node.output);
    if (own) stream(node.output) = stream_quantizer(node.output);
  }
}

void GraphQuantizer::share_stream_scales() {
  std::vector<ValueId> members;
  const auto share = [&] {
    if (members.empty()) return;
    if (members.size() > 2 || makes_embeddings(members[0])) scale_run(members);
    separate_outliers(members);
    members.clear();
  };
  for (const Node& node : model_.graph.nodes) {
    if (!facts(graph(), node).adds) continue;
    if (members.empty() || members.back() != node.inputs[1]) {
      share();
      members.push_back(node.inputs[1]);
    }
    members.push_back(node.output);
  }
  share();
}

void GraphQuantizer::scale_run(const std::vector<ValueId>& members) {
  std::vector<double> needed;  // by a value and those before it
  for (const ValueId id : members) needed.push_back(std::max(needed.empty() ? 0.0 : needed.back(), smallest_scale(id)));
  const double largest = needed.back();
  const bool grows = largest > kStreamGrowth * needed.front();
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double halvings = grows ? std::floor(std::log2(largest / needed[i])) : 0.0;
    stream(members[i]).scale = std::ldexp(largest, -static_cast<int>(std::min(halvings, 15.0)));
  }
}

double GraphQuantizer::smallest_scale(ValueId value) {
  double scale = stream_quantizer(value).scale;
  if (!makes_embeddings(value)) return scale;
  for (const ByteTable& table : embedding_tables(model_.graph.producer(value)))
    scale = std::max(scale, table.smallest_step());
  return scale;
}

Quantizer GraphQuantizer::stream_quantizer(ValueId value) const {
  const Range r = range(model_.graph.name(value));
  if (!eight_bit() || model_.graph.value(value).rows != RowKind::token) return symmetric_s16(r.low, r.high);
  Quantizer q = asymmetric_u8(r.low, r.high);
  q.low = -q.zero_point;
  q.high = 255 - q.zero_point;
  return q;
}

bool GraphQuantizer::in_sum(ValueId value) const {
  return std::any_of(model_.graph.nodes.begin(), model_.graph.nodes.end(),
                     [&](const Node& node) { return facts(graph(), node).adds && node.inputs[1] == value; });
}

bool GraphQuantizer::feeds_product(ValueId value) const {
  return std::any_of(model_.graph.nodes.begin(), model_.graph.nodes.end(), [&](const Node& node) {
    return !node.inputs.empty() && node.inputs[0] == value && facts(model_.graph, node).reads == Form::u8;
  });
}

bool GraphQuantizer::feeds_stream(ValueId value) const {
  const auto& outputs = model_.graph.outputs;
  return std::any_of(outputs.begin(), outputs.end(), [&](const GraphOutput& o) { return o.value == value; }) ||
         in_sum(value) || std::any_of(model_.graph.nodes.begin(), model_.graph.nodes.end(), [&](const Node& node) {
           return !node.inputs.empty() && node.inputs[0] == value && facts(model_.graph, node).reads == Form::s16;
         });
}

int sum_multiplier(double ratio, const std::string& name) {
  if (!(ratio <= 4.0))
    throw Error(name + ": a term's scale is " + std::to_string(ratio) + " times its 8-bit sum's, at most 4 fit");
  return static_cast<int>(std::nearbyint(std::ldexp(ratio, 20)));
}

Model::Data quantize(const Model::Data& model, const Ranges& ranges, const QuantizeOptions& options) {
  return GraphQuantizer(model, ranges, options).run();
}

}  // namespace octavo
