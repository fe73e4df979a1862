#include "calibration/precision_search.h"

#include "base/vector_tensor.h"
#include "graph/names.h"
#include "graph/op_facts.h"
#include "quantize/float_rows.h"
#include "quantize/four_bit_weights.h"
#include "quantize/quantized_tables.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace octavo {
namespace {

// Of the error of weights that are rounded one by one, what is left when each makes up for the others'.
constexpr double kCompensated = 0.3;

double padded(int columns, int multiple) { return static_cast<double>((columns + multiple - 1) / multiple * multiple); }

/// Whether a product of the body reads the value.
bool reads(const Graph& graph, const Node& node, ValueId value) {
  return is_body_product(graph, node) && node.inputs[0] == value;
}

double cost_of_reading(const Graph& graph, const Node& reader) {
  return padded(graph.columns(reader.inputs[0]), 64) * padded(graph.columns(reader.output), 32);
}

/// Mean over rows of |x - y|^2 / |y|^2.
double relative_error(const Tensor& found, const Tensor& exact) {
  const auto columns = static_cast<std::size_t>(exact.columns());
  const auto x = found.as<float>(), y = exact.as<float>();
  double sum = 0.0;
  for (std::size_t first = 0; first < y.size(); first += columns) {
    double difference = 0.0, square = 0.0;
    for (std::size_t j = first; j < first + columns; ++j) {
      const double d = static_cast<double>(x[j]) - static_cast<double>(y[j]);
      difference += d * d;
      square += static_cast<double>(y[j]) * static_cast<double>(y[j]);
    }
    sum += difference / std::max(square, 1e-30);
  }
  return sum / static_cast<double>(exact.rows());
}

/// What a product multiplies by, gates left out.
std::vector<const LinearBlock*> blocks_of(const Graph& graph, const Node& reader) {
  const OpFacts known = facts(graph, reader);
  return known.values.empty() ? std::vector{known.blocks.at(0).rows} : known.values;
}

}  // namespace

double product_cost(const Graph& graph) {
  double cost = 0.0;
  for (const Node& node : graph.nodes) {
    if (!node.inputs.empty() && reads(graph, node, node.inputs[0])) cost += cost_of_reading(graph, node);
  }
  return cost;
}

const Equalization* PrecisionSearch::equalization(const std::string& value) const {
  const auto found = options_.equalization.find(value);
  return found == options_.equalization.end() ? nullptr : &found->second;
}

Rounding PrecisionSearch::rounding(const Node& node) const {
  const std::string& name = model_.graph.name(node.output);
  const std::string own = stage_name(name, Stage::bytes);
  const Range& range = ranges_.contains(own) ? ranges_.at(own) : ranges_.at(name);
  const auto channel_splits = options_.channel_splits.find(name);
  return {
      .quantizer = asymmetric_u8(range.low, range.high),
      .equalization = equalization(name),
      .channel_splits = channel_splits == options_.channel_splits.end() ? std::vector<int>{} : channel_splits->second};
}

TensorMap PrecisionSearch::rounded_weights(const Node& reader, const Equalization* e) const {
  TensorMap tensors;
  const auto inputs = static_cast<std::size_t>(model_.graph.columns(reader.inputs[0]));
  for (const LinearBlock* block : blocks_of(model_.graph, reader)) {
    FloatRows rows = block_rows(model_, *block, static_cast<int>(inputs));
    const auto scale_of = [&](std::size_t k) { return e ? e->scale[k] : 1.0f; };
    for (std::size_t i = 0; i < rows.weight.size(); ++i) rows.weight[i] *= scale_of(i % inputs);
    if (options_.weight_bits == 4) {
      const InputCodes codes{.quantizer = {.scale = 1.0}, .columns = rows.inputs};
      rows = with_group_multipliers(std::move(rows), codes, {}, nullptr);
    } else {
      rows.scales = weight_scales(rows, options_.weights, 1.0);
    }
    for (std::size_t i = 0; i < rows.weight.size(); ++i) {
      const std::size_t row = i / inputs, input = i % inputs;
      const float scale = rows.scales[row];
      rows.weight[i] = rounded_code(rows, static_cast<int>(row), static_cast<int>(input), rows.weight[i], scale) *
                       scale / scale_of(input);
    }
    tensors.insert_or_assign(block->weight, to_tensor(rows.weight, tensor(model_.tensors, block->weight).shape()));
  }
  return tensors;
}

ExtraBitsGain PrecisionSearch::gain(const ExtraBits& bits, const Tensor& exact, const RaggedBatch& batch,
                                    Workspace::Data& workspace) const {
  ExtraBitsGain result{.bits = bits};
  const Graph& graph = model_.graph;
  const auto& nodes = graph.nodes;
  const auto made =
      std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) { return graph.name(node.output) == bits.value; });
  if (const std::string table = facts(graph, *made).words; !table.empty()) {
    const Tensor& words = tensor(model_.tensors, table);
    const std::vector<float> rows = float_values(model_, table);
    std::vector<float> rounded = byte_table(rows, static_cast<int>(words.columns()), table).rest(rows);
    std::transform(rows.begin(), rows.end(), rounded.begin(), rounded.begin(), std::minus<>());
    const FloatExecutor changed = executor_.with_tensors(static_cast<std::size_t>(made - nodes.begin()),
                                                         {{table, to_tensor(rounded, words.shape())}});
    return {bits, relative_error(changed.value(judged_, batch, workspace), exact),
            static_cast<double>(graph.columns(made->output))};
  }
  FloatExecutor changed = executor_;
  for (const Node& reader : nodes) {
    if (!reads(graph, reader, made->output)) continue;
    result.cost += cost_of_reading(graph, reader);
    if (bits.of_weights || options_.weight_bits == 4)  // which extra bits of either kind make 8
      changed = changed.with_tensors(static_cast<std::size_t>(&reader - nodes.data()),
                                     rounded_weights(reader, equalization(bits.value)));
  }
  Editor editor;
  if (!bits.of_weights) {
    editor = [&, how = rounding(*made)](std::string_view name, std::span<float> values, int columns) {
      if (name == bits.value) how.apply(values, columns);
    };
  }
  result.error = relative_error(changed.value(judged_, batch, workspace, {.editor = editor}), exact);
  if (bits.of_weights && options_.compensated_rounding) result.error *= kCompensated;
  return result;
}

std::vector<ExtraBitsGain> PrecisionSearch::ranked(std::span<const ExtraBits> candidates, const RaggedBatch& batch,
                                                   Workspace::Data& workspace) const {
  const Tensor exact = executor_.value(judged_, batch, workspace);
  std::vector<ExtraBitsGain> result;
  for (const ExtraBits& bits : candidates) result.push_back(gain(bits, exact, batch, workspace));
  std::stable_sort(result.begin(), result.end(),
                   [](const ExtraBitsGain& a, const ExtraBitsGain& b) { return a.error * b.cost > b.error * a.cost; });
  return result;
}

}  // namespace octavo
