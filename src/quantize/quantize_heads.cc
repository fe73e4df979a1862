// Products of heads: 16-bit rows and logits.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/graph_quantizer.h"
#include "quantize/quantized_heads.h"
#include "quantize/quantized_image.h"

#include <algorithm>
#include <cmath>

namespace octavo {

QuantizedLinear GraphQuantizer::quantize_logits(const Linear& op, const Node& node) {
  const ValueId x = node.inputs[0];
  const Quantizer& codes = codes_[static_cast<std::size_t>(x)].quantizer;
  FloatRows weights = block_rows(model_, op.weights, model_.graph.columns(x));
  const double step = logit_step(weights, codes);
  WeightPacker packer(weights.inputs, codes, options_.weights);
  QuantizedLinear result;
  result.block = packer.add({{std::move(weights), step, {.scale = static_cast<float>(step)}}})[0];
  result.depth = packer.depth();
  put_weights(model_.graph.name(node.output), packer);
  return result;
}

QuantizedLinear GraphQuantizer::quantize_rows16(const Linear& op, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  const ValueId x = node.inputs[0];
  const double scale = stream_[static_cast<std::size_t>(x)].scale;
  const bool vocabulary = op.makes == Form::s32 && model_.graph.value(node.output).rows == RowKind::chosen_token;
  const bool bytes = vocabulary && options_.head == HeadType::int8;
  const Range read = bytes ? range(model_.graph.name(x)) : Range{};
  const Quantizer codes = bytes ? asymmetric_u8(read.low, read.high) : split_input(scale);
  QuantizedLinear result;
  if (bytes) result.bytes = bytes_of_stream(scale, codes);
  FloatRows weights = head_rows(op.weights, x, codes);
  if (!bytes) std::for_each(weights.bias.begin(), weights.bias.end(), [](float& b) { b /= kSplitBias; });
  WeightPacker packer(weights.inputs, codes, WeightScales::per_channel);
  if (op.makes == Form::s32) {
    const double step = logit_step(weights, codes);  // of the accumulators
    const double worth = bytes ? step : step * kSplitStep;
    result.block = packer.add({{std::move(weights), step, {.scale = static_cast<float>(worth)}}})[0];
  } else {
    Quantizer out;
    if (op.activation == Activation::none) {
      const Range made = range(name);
      out = symmetric_s16(made.low, made.high);
      stream_[static_cast<std::size_t>(node.output)] = out;
    } else {
      const Range before = range(stage_name(name, Stage::product));
      const ActivationTable table = activation_table(
          op.activation,
          std::max(std::abs(static_cast<double>(before.low)), std::abs(static_cast<double>(before.high))));
      out = table.input;
      stream_[static_cast<std::size_t>(node.output)] = table.output;
      result.table = true;
      result.activated = stored(table.output);
      put(name + part::kActivation, table.values);
    }
    result.block = packer.add({{std::move(weights), out.scale / kSplitStep, stored(out)}})[0];
  }
  result.depth = packer.depth();
  put_weights(name, packer);
  return result;
}

FloatRows GraphQuantizer::head_rows(const LinearBlock& block, ValueId input, const Quantizer& codes) const {
  const int inputs = model_.graph.columns(input);
  FloatRows rows = block_rows(model_, block, inputs);
  if (options_.statistics == nullptr || !options_.compensated_rounding) return rows;
  const auto observed = options_.statistics->find(model_.graph.name(input));
  if (observed == options_.statistics->end()) return rows;
  rows.scales = weight_scales(rows, WeightScales::per_channel, codes.scale);
  InputModel(*options_.pool, observed->second, {.quantizer = codes, .columns = inputs}, {.compensate = true})
      .refine(rows);
  return rows;
}

}  // namespace octavo
