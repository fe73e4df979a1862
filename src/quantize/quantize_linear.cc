// Linear layers: of the body, from bytes to bytes or onto the residual stream; of heads, 16-bit rows and logits.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/float_rows.h"
#include "quantize/four_bit_weights.h"
#include "quantize/graph_quantizer.h"
#include "quantize/quantized_heads.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

void check_channel_splits(const std::string& name, const std::vector<int>& channel_splits, int columns) {
  const bool positive = std::all_of(channel_splits.begin(), channel_splits.end(), [](int r) { return r >= 1; });
  if (!positive || channel_splits.size() != static_cast<std::size_t>(columns)) {
    throw Error(name + ": it has " + std::to_string(channel_splits.size()) + " numbers of channel splits, expected " +
                std::to_string(columns) + ", each at least 1");
  }
}

/// Weights over an input with channel splits: the neuron's column as often as the neuron.
FloatRows rows_over_copies(GraphQuantizer& q, const LinearBlock& block, ValueId input) {
  const FloatRows plain = q.rows(block, input);
  const std::vector<int>& channel_splits = q.codes(input).channel_splits;
  return channel_splits.empty() ? plain : repeat_columns(plain, channel_splits);
}

/// A head's rows, compensated where the columns of what they read were observed.
FloatRows head_rows(const GraphQuantizer& q, const LinearBlock& block, ValueId input, const Quantizer& codes,
                    bool four_bit) {
  const int inputs = q.graph().columns(input);
  const InputCodes read{.quantizer = codes, .columns = inputs};
  FloatRows rows = block_rows(q.model(), block, inputs);
  const ColumnStatistics* observed = nullptr;
  if (q.options().statistics != nullptr && q.options().compensated_rounding) {
    const auto found = q.options().statistics->find(q.graph().name(input));
    if (found != q.options().statistics->end()) observed = &found->second;
  }
  if (!observed) return four_bit ? with_group_multipliers(std::move(rows), read, {}, q.options().pool) : rows;
  const GptqSolver solver(*q.options().pool, *observed, read, {.compensate = true});
  if (four_bit)
    rows = with_group_multipliers(std::move(rows), read, solver.importance(), q.options().pool);
  else
    rows.scales = weight_scales(rows, WeightScales::per_channel, codes.scale);
  solver.refine(rows);
  return rows;
}

/// Logits of 8-bit rows.
QuantizedLinear quantize_logits(GraphQuantizer& q, const Linear& op, const Node& node) {
  const ValueId x = node.inputs[0];
  const Quantizer& codes = q.codes(x).quantizer;
  FloatRows weights = block_rows(q.model(), op.weights, q.graph().columns(x));
  const double step = logit_step(weights, codes);
  WeightPacker packer(weights.inputs, codes, q.options().weights);
  QuantizedLinear result;
  result.block = packer.add({{std::move(weights), step, {.scale = static_cast<float>(step)}}})[0];
  result.depth = packer.depth();
  q.put_weights(q.name(node), packer);
  return result;
}

/// 16-bit rows as pairs of u8 rows, in steps of 32 of their product (fixed-point.md 8), or as one row each.
QuantizedLinear quantize_rows16(GraphQuantizer& q, const Linear& op, const Node& node) {
  const std::string& name = q.name(node);
  const ValueId x = node.inputs[0];
  const double scale = q.stream(x).scale;
  const bool vocabulary = op.makes == Form::s32 && q.graph().value(node.output).rows == RowKind::chosen_token;
  const bool bytes = vocabulary && q.options().head == HeadType::int8;
  const Range read = bytes ? q.range(q.graph().name(x)) : Range{};
  const Quantizer codes = bytes ? asymmetric_u8(read.low, read.high) : split_input(scale);
  QuantizedLinear result;
  if (bytes) result.bytes = bytes_of_stream(scale, codes);
  FloatRows weights = head_rows(q, op.weights, x, codes, vocabulary && q.options().vocabulary_bits == 4);
  if (!bytes) std::for_each(weights.bias.begin(), weights.bias.end(), [](float& b) { b /= kSplitBias; });
  WeightPacker packer(weights.inputs, codes, WeightScales::per_channel);
  if (op.makes == Form::s32) {
    const double step = logit_step(weights, codes);  // of the accumulators
    const double worth = bytes ? step : step * kSplitStep;
    result.block = packer.add({{std::move(weights), step, {.scale = static_cast<float>(worth)}}})[0];
  } else {
    Quantizer out;
    if (op.activation == Activation::none) {
      const Range made = q.range(name);
      if (!q.in_sum(node.output)) q.stream(node.output) = symmetric_s16(made.low, made.high);
      out = q.stream(node.output);
      if (q.feeds_product(node.output)) {
        const Quantizer read = q.set_codes(node.output, asymmetric_u8(made.low, made.high)).quantizer;
        q.codes(node.output).refined = {};  // no more bits than the rows have
        result.makes_bytes = bytes_of_stream(out.scale, read);
      }
    } else {
      const Range before = q.range(stage_name(name, Stage::product));
      const ActivationTable table = activation_table(
          op.activation,
          std::max(std::abs(static_cast<double>(before.low)), std::abs(static_cast<double>(before.high))));
      out = table.input;
      q.stream(node.output) = table.output;
      result.table = true;
      result.activated = stored(table.output);
      q.put(name + part::kActivation, table.values);
    }
    result.block = packer.add({{std::move(weights), out.scale / kSplitStep, stored(out)}})[0];
  }
  result.depth = packer.depth();
  q.put_weights(name, packer);
  return result;
}

}  // namespace

template <>
QuantizedLinear quantize_op(GraphQuantizer& q, const Linear& op, const Node& node) {
  if (op.reads == Form::s16) return quantize_rows16(q, op, node);
  if (op.makes == Form::s32) return quantize_logits(q, op, node);
  const std::string& name = q.name(node);
  Quantizer out = asymmetric_u8(q.range(name).low, q.range(name).high);
  FloatRows weights = q.rows(op.weights, node.inputs[0]);
  WeightPacker packer = q.packer(node.inputs[0]);
  InputCodes& codes = q.set_codes(node.output, out);
  const auto channel_splits = q.options().channel_splits.find(name);
  if (channel_splits != q.options().channel_splits.end()) {
    if (op.activation == Activation::none) throw Error(name + ": channel splits need an activation");
    check_channel_splits(name, channel_splits->second, weights.columns);
    codes.channel_splits = channel_splits->second;
    weights = repeat_rows(weights, channel_splits->second);
  }
  QuantizedLinear result;
  if (op.activation == Activation::none) codes.refined.fine_bits = 0;
  const bool curved = op.activation != Activation::none && op.activation != Activation::relu;
  result.activation_table = curved || channel_splits != q.options().channel_splits.end() || codes.refined.fine_bits > 0;
  if (result.activation_table) {
    const GeluConstants gelu = gelu_constants(op.activation, out, codes, weights.columns);
    codes.refined.fine_bits = gelu.fine_bits;
    result.gelu_fraction_bits = gelu.fraction_bits;
    result.gelu_limit = gelu.limit;
    result.gelu_normalize = gelu.normalize;
    result.gelu_inverse = gelu.inverse;
    q.put(name + part::kGeluBase, gelu.base);
    q.put(name + part::kGeluSlope, gelu.slope);
    q.put(name + part::kGeluOffset, gelu.offset);
    result.block = packer.add({{std::move(weights), gelu.step, stored(out)}})[0];
  } else {
    result.block = packer.add({{std::move(weights), out.scale, stored(out)}})[0];
  }
  result.depth = packer.depth();
  q.put_weights(name, packer);
  result.refined = codes.refined;
  return result;
}

template <>
QuantizedLinearAdd quantize_op(GraphQuantizer& q, const LinearAdd& op, const Node& node) {
  const std::string& name = q.name(node);
  const Quantizer& sum = q.stream(node.output);
  const Quantizer& residual = q.stream(node.inputs[1]);
  FloatRows weights = rows_over_copies(q, op.weights, node.inputs[0]);
  WeightPacker packer = q.packer(node.inputs[0]);
  QuantizedLinearAdd result;
  if (q.eight_bit()) {
    const Range r = q.range(stage_name(name, Stage::product));
    const Quantizer product = asymmetric_u8(r.low, r.high);
    result.eight_bit = true;
    result.product = stored(product);
    result.product_multiplier = sum_multiplier(product.scale / sum.scale, name);
    result.stream_multiplier = sum_multiplier(residual.scale / sum.scale, name);
    result.block = packer.add({{std::move(weights), product.scale, stored(sum)}})[0];
  } else {
    const std::vector<double>& column_scales = q.column_scales(node.output);
    result.block = packer.add({{std::move(weights), sum.scale, stored(sum), column_scales}})[0];
    for (std::size_t j = 0; j < column_scales.size(); ++j) {
      if (column_scales[j] == 1.0) continue;
      result.outlier_columns.push_back(static_cast<int>(j));
      result.outlier_shifts.push_back(std::ilogb(column_scales[j]));
    }
    result.stream_shift = static_cast<int>(std::lround(std::log2(sum.scale / residual.scale)));
  }
  result.depth = packer.depth();
  q.put_weights(name, packer);
  return result;
}

}  // namespace octavo
