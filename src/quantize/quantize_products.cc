// Products and attention: weights in 8 bits, what requantizes their sums, and the constants between them.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/equalize.h"
#include "quantize/float_rows.h"
#include "quantize/graph_quantizer.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {

Quantizer GraphQuantizer::key_or_value(const std::string& name) const {
  if (!options_.paper) return symmetric_s8(range(name).low, range(name).high);
  Quantizer q = asymmetric_u8(range(name).low, range(name).high);
  q.zero_point -= 128;
  return q;
}

FloatRows GraphQuantizer::rows(const LinearBlock& block, ValueId input) {
  return prepared(block_rows(model_, block, model_.graph.columns(input)), input);
}

FloatRows GraphQuantizer::value_rows(const QkvProduct& op, const Node& node) {
  const ValueId x = node.inputs[0];
  FloatRows rows = block_rows(model_, op.value, model_.graph.columns(x));
  const auto reads = [&](const Node& other) {
    return std::holds_alternative<AttentionOp>(other.op) && other.inputs[0] == node.output;
  };
  const auto attention = std::find_if(model_.graph.nodes.begin(), model_.graph.nodes.end(), reads);
  const Equalization* e = attention == model_.graph.nodes.end() ? nullptr : equalization(attention->output);
  for (std::size_t n = 0; e && n < rows.bias.size(); ++n) {
    const auto first = rows.weight.begin() + static_cast<std::ptrdiff_t>(n) * rows.inputs;
    std::for_each(first, first + rows.inputs, [&](float& weight) { weight /= e->scale[n]; });
    rows.bias[n] /= e->scale[n];
  }
  return prepared(std::move(rows), x);
}

FloatRows GraphQuantizer::prepared(FloatRows rows, ValueId input) {
  if (const Equalization* e = equalization(input)) fold(*e, rows);
  if (!refines_weights()) return rows;
  rows.scales = weight_scales(rows, options_.weights, codes_[static_cast<std::size_t>(input)].quantizer.scale);
  input_model(input).refine(rows);
  return rows;
}

const InputModel& GraphQuantizer::input_model(ValueId input) {
  if (!input_model_ || input_model_->first != input) {
    const auto index = static_cast<std::size_t>(input);
    const std::string& name = model_.graph.name(input);
    const auto found = options_.statistics->find(name);
    if (found == options_.statistics->end()) throw Error("calibration has no statistics of " + name);
    const Equalization* e = equalization(input);
    const std::optional<ColumnStatistics> equalized =
        e ? std::optional(equalized_statistics(found->second, *e)) : std::nullopt;
    const ColumnStatistics& statistics = equalized ? *equalized : found->second;
    if (codes_[index].refined.times() > 1) codes_[index].set_means(&statistics);
    const Refinement refinement{.compensate = options_.compensated_rounding, .correct_bias = options_.bias_correction};
    input_model_.reset();  // before the next: it is large
    input_model_.emplace(input, InputModel(*options_.pool, statistics, codes_[index], refinement));
  }
  return input_model_->second;
}

const Equalization* GraphQuantizer::equalization(ValueId value) const {
  const auto found = options_.equalization.find(model_.graph.name(value));
  return found == options_.equalization.end() ? nullptr : &found->second;
}

void GraphQuantizer::add_gate(const QkvProduct& op, const Node& node, WeightPacker& packer, QuantizedQkv& result) {
  const std::string& name = model_.graph.name(node.output);
  const ValueId x = node.inputs[0];
  const double step = 1.0 / 2048.0;
  const Encoding logits{.scale = static_cast<float>(step)};
  const std::vector<ProductBlock> blocks = facts(model_.graph, node).blocks;
  FloatRows rows = prepared(
      sliced_rows(model_, std::span(blocks).subspan(op.qkv().size()), name + part::kGate, model_.graph.columns(x)), x);
  if (op.gate_kind != GateKind::mlp) {
    result.gate = packer.add({{std::move(rows), step, logits}});
    return;
  }
  float high = 0.0f;  // of the ReLU, over all heads
  for (const LinearBlock& block : op.gate) high = std::max(high, range(block.name).high);
  const Quantizer hidden = asymmetric_u8(0.0f, high);
  result.gate = packer.add({{std::move(rows), hidden.scale, stored(hidden)}});
  const std::string output = name + part::kGateOutput;
  std::vector<ProductBlock> second_blocks;
  int first = 0;
  for (std::size_t head = 0; head < op.gate_output.size(); ++head) {
    second_blocks.push_back({&op.gate_output[head], first});
    first += op.gate[head].columns;
  }
  WeightPacker second(first, hidden, options_.weights);
  result.gate_output.push_back(
      {.depth = second.depth(),
       .block = second.add({{sliced_rows(model_, second_blocks, output, first), step, logits}})[0]});
  put_weights(output, second);
}

InputCodes& GraphQuantizer::set_codes(ValueId value, const Quantizer& quantizer) {
  InputCodes& codes = codes_[static_cast<std::size_t>(value)];
  codes.quantizer = quantizer;
  codes.columns = model_.graph.columns(value);
  const auto found = options_.refinements.find(model_.graph.name(value));
  if (found != options_.refinements.end()) {
    codes.refined = {.fine_bits = found->second.fine ? kFineBits : 0, .coarse = found->second.coarse};
  }
  return codes;
}

WeightPacker GraphQuantizer::packer(ValueId input) {
  if (refines_weights()) input_model(input);  // looks at what the codes are on average
  return {codes_[static_cast<std::size_t>(input)], options_.weights};
}

void GraphQuantizer::put_weights(const std::string& name, const WeightPacker& packer) {
  put(name + part::kWeight, packer.weight());
  put(name + part::kBias, packer.bias());
  put(name + part::kMultiplier, packer.multiplier());
}

QuantizedOp GraphQuantizer::quantize_op(const QkvProduct& op, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  const ValueId x = node.inputs[0];
  const Quantizer q = asymmetric_u8(range(op.query.name).low, range(op.query.name).high);
  const Quantizer k = key_or_value(op.key.name), v = key_or_value(op.value.name);
  const auto block = [](FloatRows block_rows, const Quantizer& out) {
    const Encoding encoding = stored(out);  // the product is requantized to the f32 scale that the file states
    return BlockRows{std::move(block_rows), static_cast<double>(encoding.scale), encoding};
  };
  const std::vector<BlockRows> qkv = {block(rows(op.query, x), q), block(rows(op.key, x), k),
                                      block(value_rows(op, node), v)};
  WeightPacker packer = this->packer(x);
  const auto blocks = packer.add(qkv);
  QuantizedQkv result{.depth = packer.depth(),
                      .query = blocks[0],
                      .key = blocks[1],
                      .value = blocks[2],
                      .asymmetric = options_.paper,
                      .gate = {},
                      .gate_output = {}};
  if (!op.gate.empty()) add_gate(op, node, packer, result);
  put_weights(name, packer);
  qkv_[node.output] = {q, k, v};
  return result;
}

QuantizedOp GraphQuantizer::quantize_op(const AttentionOp& op, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  const auto& [query, key, value] = qkv_.at(node.inputs[0]);
  const Quantizer context = asymmetric_u8(range(name).low, range(name).high);
  const Refined refined = set_codes(node.output, context).refined;
  if (const Equalization* e = equalization(node.output)) put(name + part::kColumnScale, column_scales(e->scale));
  if (op.gate && op.gate->type == GateType::unconditional_per_head) {
    put(name + part::kGate, gate_logits(floats(op.gate->logits)));
  }
  if (!options_.paper) {
    QuantizedAttention result =
        attention_constants(op, query.scale * key.scale, value.scale, finer(context, refined.fine_bits), name);
    result.context = stored(context);
    result.refined = refined;
    return result;
  }
  const Range scores = range(stage_name(name, Stage::scores));
  PaperAttentionConstants paper =
      paper_attention_constants(op,
                                {.product_scale = query.scale * key.scale,
                                 .value_scale = value.scale,
                                 .score = asymmetric_u8(scores.low, scores.high),
                                 .largest_probability = range(stage_name(name, Stage::probs)).high,
                                 .context = context},
                                name);
  put(name + part::kExponential, std::move(paper.exponential));
  return paper.constants;
}

void GraphQuantizer::check_copies(const std::string& name, const std::vector<int>& copies, int columns) {
  const bool positive = std::all_of(copies.begin(), copies.end(), [](int r) { return r >= 1; });
  if (!positive || copies.size() != static_cast<std::size_t>(columns)) {
    throw Error(name + ": it has " + std::to_string(copies.size()) + " numbers of copies, expected " +
                std::to_string(columns) + ", each at least 1");
  }
}

QuantizedOp GraphQuantizer::quantize_op(const Linear& op, const Node& node) {
  if (op.reads == Form::s16) return quantize_rows16(op, node);
  if (op.makes == Form::s32) return quantize_logits(op, node);
  const std::string& name = model_.graph.name(node.output);
  Quantizer out = asymmetric_u8(range(name).low, range(name).high);
  FloatRows weights = rows(op.weights, node.inputs[0]);
  WeightPacker packer = this->packer(node.inputs[0]);
  InputCodes& codes = set_codes(node.output, out);
  const auto copies = options_.copies.find(name);
  if (copies != options_.copies.end()) {
    if (op.activation == Activation::none) throw Error(name + ": saturating copies need a GELU or a ReLU");
    check_copies(name, copies->second, weights.columns);
    codes.copies = copies->second;
    weights = repeat_rows(weights, copies->second);
  }
  QuantizedLinear result;
  if (op.activation == Activation::none) codes.refined.fine_bits = 0;
  result.pieces = op.activation == Activation::gelu || copies != options_.copies.end() || codes.refined.fine_bits > 0;
  if (result.pieces) {
    const GeluConstants gelu = gelu_constants(op.activation, out, codes, weights.columns);
    codes.refined.fine_bits = gelu.fine_bits;
    result.gelu_fraction_bits = gelu.fraction_bits;
    result.gelu_limit = gelu.limit;
    result.gelu_normalize = gelu.normalize;
    result.gelu_inverse = gelu.inverse;
    put(name + part::kGeluBase, gelu.base);
    put(name + part::kGeluSlope, gelu.slope);
    put(name + part::kGeluOffset, gelu.offset);
    result.block = packer.add({{std::move(weights), gelu.step, stored(out)}})[0];
  } else {
    result.block = packer.add({{std::move(weights), out.scale, stored(out)}})[0];
  }
  result.depth = packer.depth();
  put_weights(name, packer);
  result.refined = codes.refined;
  return result;
}

QuantizedOp GraphQuantizer::quantize_op(const LinearAdd& op, const Node& node) {
  const std::string& name = model_.graph.name(node.output);
  const Quantizer& sum = stream_[static_cast<std::size_t>(node.output)];
  const Quantizer& residual = stream_[static_cast<std::size_t>(node.inputs[1])];
  FloatRows weights = linear_add_rows(op, node.inputs[0]);
  WeightPacker packer = this->packer(node.inputs[0]);
  QuantizedLinearAdd result;
  if (eight_bit()) {
    const Range r = range(stage_name(name, Stage::product));
    const Quantizer product = asymmetric_u8(r.low, r.high);
    result.eight_bit = true;
    result.product = stored(product);
    result.product_multiplier = sum_multiplier(product.scale / sum.scale, name);
    result.stream_multiplier = sum_multiplier(residual.scale / sum.scale, name);
    result.block = packer.add({{std::move(weights), product.scale, stored(sum)}})[0];
  } else {
    result.block = packer.add({{std::move(weights), sum.scale, stored(sum)}})[0];
    result.stream_shift = static_cast<int>(std::lround(std::log2(sum.scale / residual.scale)));
  }
  result.depth = packer.depth();
  put_weights(name, packer);
  return result;
}

FloatRows GraphQuantizer::linear_add_rows(const LinearAdd& op, ValueId input) {
  const FloatRows plain = rows(op.weights, input);
  const std::vector<int>& copies = codes_[static_cast<std::size_t>(input)].copies;
  return copies.empty() ? plain : repeat_columns(plain, copies);
}

int GraphQuantizer::sum_multiplier(double ratio, const std::string& name) {
  if (!(ratio <= 4.0))
    throw Error(name + ": a term's scale is " + std::to_string(ratio) + " times its 8-bit sum's, at most 4 fit");
  return static_cast<int>(std::nearbyint(std::ldexp(ratio, 20)));
}

}  // namespace octavo
