// Attention and the product that it reads: blocks of weights, gates, softmax, clipping, context.
#include "base/fixed_point.h"
#include "base/vector_tensor.h"
#include "graph/names.h"
#include "kernels/kernels.h"
#include "quantize/float_rows.h"
#include "quantize/graph_quantizer.h"
#include "quantize/quantized_heads.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace octavo {
namespace {

/// K or V: symmetric, or with the zero point of the paper's u8 code, which is stored less 128.
Quantizer key_or_value(const GraphQuantizer& q, const std::string& name) {
  if (!q.options().static_w8a8) return symmetric_s8(q.range(name).low, q.range(name).high);
  Quantizer result = asymmetric_u8(q.range(name).low, q.range(name).high);
  result.zero_point -= 128;
  return result;
}

/// Q or K before it is turned by its position, which keeps the length of a pair: a column reaches sqrt(2) times the
/// largest that was seen behind it.
Quantizer before_rotation(const Range& turned) {
  const double most = std::numbers::sqrt2 *
                      std::max(std::abs(static_cast<double>(turned.low)), std::abs(static_cast<double>(turned.high)));
  return symmetric_s16(static_cast<float>(-most), static_cast<float>(most));
}

/// Cosines and sines of all positions in Q15, once for all attentions that have the same.
void put_rotary_table(GraphQuantizer& q, const std::string& table, int head_size) {
  const std::vector<float> values = q.floats(table);
  const std::size_t half = static_cast<std::size_t>(head_size) / 2, positions = values.size() / (2 * half);
  std::vector<std::int16_t> cosine, sine;
  for (std::size_t i = 0; i < positions * 2 * half; ++i) {
    const double code = std::nearbyint(static_cast<double>(values[i]) * 32767.0);
    (i / half % 2 == 0 ? cosine : sine).push_back(static_cast<std::int16_t>(std::clamp(code, -32767.0, 32767.0)));
  }
  const auto columns = static_cast<std::int64_t>(half), rows = static_cast<std::int64_t>(positions);
  q.put(table + part::kCosine, to_tensor(cosine, {rows, columns}));
  q.put(table + part::kSine, to_tensor(sine, {rows, columns}));
}

/// The gate's block of the product: logits in Q11 (fixed-point.md 6), or an mlp's hidden units, whose product makes
/// them.
void add_gate(GraphQuantizer& q, const QkvProduct& op, const Node& node, WeightPacker& packer, QuantizedQkv& result) {
  const std::string& name = q.name(node);
  const ValueId x = node.inputs[0];
  const double step = 1.0 / 2048.0;
  const Encoding logits{.scale = static_cast<float>(step)};
  const std::vector<ProductBlock> blocks = facts(q.graph(), node).blocks;
  FloatRows rows = q.prepared(
      sliced_rows(q.model(), std::span(blocks).subspan(op.qkv().size()), name + part::kGate, q.graph().columns(x)), x);
  if (op.gate_kind != GateKind::mlp) {
    result.gate = packer.add({{std::move(rows), step, logits}});
    return;
  }
  float high = 0.0f;  // of the ReLU, over all heads
  for (const LinearBlock& block : op.gate) high = std::max(high, q.range(block.name).high);
  const Quantizer hidden = asymmetric_u8(0.0f, high);
  result.gate = packer.add({{std::move(rows), hidden.scale, stored(hidden)}});
  const std::string output = name + part::kGateOutput;
  std::vector<ProductBlock> second_blocks;
  int first = 0;
  for (std::size_t head = 0; head < op.gate_output.size(); ++head) {
    second_blocks.push_back({&op.gate_output[head], first});
    first += op.gate[head].columns;
  }
  WeightPacker second(first, hidden, q.options().weights);
  result.gate_output.push_back(
      {.depth = second.depth(),
       .block = second.add({{sliced_rows(q.model(), second_blocks, output, first), step, logits}})[0]});
  q.put_weights(output, second);
}

/// In Q15 of the largest, which is given as well; that of zeros alone is 1.
struct CodedFactors {
  Tensor codes;
  double largest = 1.0;
};
CodedFactors coded_factors(const std::vector<float>& factors, int heads) {
  double largest = 0.0;
  for (const float factor : factors) largest = std::max(largest, std::abs(static_cast<double>(factor)));
  if (largest == 0.0) largest = 1.0;
  std::vector<std::int16_t> codes;
  for (const float factor : factors)
    codes.push_back(static_cast<std::int16_t>(std::nearbyint(static_cast<double>(factor) / largest * 32767.0)));
  // A code of 32767 is all of it but a 32768th, which the multiplier makes up for.
  return {to_tensor(codes, {heads, static_cast<std::int64_t>(codes.size()) / heads}), largest * 32768.0 / 32767.0};
}

/// m16 and k of scores in steps of `score_scale` times the square root of the head size.
template <typename Constants>
void set_score_constants(Constants& result, double score_scale, int head_size, const std::string& name) {
  const Log2Multiplier score = make_log2_multiplier(score_scale / std::sqrt(static_cast<double>(head_size)), name);
  result.score_multiplier = score.multiplier;
  result.score_shift = score.shift;
}

std::int64_t to_q31(double part) {
  return static_cast<std::int64_t>(std::min(std::nearbyint(std::ldexp(part, 31)), 2147483647.0));
}

/// `scale` is that of the context of probability 1.
QuantizedLevels attention_levels(const ClippedSoftmax& softmax, double scale, const std::string& name) {
  QuantizedLevels result;
  const int count = (1 << softmax.log_bits) - 1;
  const double first = std::log2(softmax.prune), step = -first / count, width = softmax.zeta - softmax.gamma;
  for (int i = 0; i < count; ++i) {
    const Multiplier m = make_multiplier(scale / 255.0 * std::exp2(first + (i + 0.5) * step));
    if (m.shift < 33 || m.shift > 62)
      throw Error(name + ": its context range does not fit attention pruning " + std::to_string(softmax.prune));
    result.edges.push_back(to_q31(std::exp2(first + i * step) / width));
    result.codes.push_back(static_cast<int>(std::nearbyint(255.0 * std::exp2(-i * step))));
    result.multipliers.push_back(m.multiplier);
    result.shifts.push_back(m.shift);
  }
  return result;
}

/// f32: what a column of V and context is to be multiplied by to be what the checkpoint's model has; for a look at
/// values.
Tensor column_scales(const std::vector<float>& scales) { return to_tensor(scales); }

/// Of an unconditional gate: s16 logits in steps of 2^-11, or with softplus gates in Q12.
Tensor unconditional_gate(const std::vector<float>& logits, GateActivation activation) {
  std::vector<std::int16_t> codes;
  for (const float logit : logits) {
    const auto x = static_cast<double>(logit);
    const double code = activation == GateActivation::sigmoid
                            ? x * 2048.0
                            : (std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)))) * 4096.0;
    codes.push_back(static_cast<std::int16_t>(std::clamp(std::nearbyint(code), -32768.0, 32767.0)));
  }
  return to_tensor(codes);
}

/// What a gate of 1 in Q15 multiplies by: softplus's gates are in Q12, so that they reach 8.
double gate_scale(const AttentionOp& op) {
  if (!op.gate) return 1.0;
  return op.gate->scale * (op.gate->activation == GateActivation::softplus ? 8.0 : 1.0);
}

/// Softmax, clipping, gate and context constants (fixed-point.md 5, 6). `score_scale` = S_q S_k; `value_scale` is S_v,
/// times the largest factor of distances.
QuantizedAttention attention_constants(const AttentionOp& op, double score_scale, double value_scale,
                                       const Quantizer& context, const std::string& name) {
  QuantizedAttention result;
  set_score_constants(result, score_scale, op.head_size, name);
  const double gamma = op.softmax.gamma, zeta = op.softmax.zeta, width = zeta - gamma;
  result.clipped = gamma != 0.0 || zeta != 1.0 || op.softmax.softmax1 || op.softmax.sink || op.softmax.prune > 0.0;
  result.theta = to_q31(-gamma / width);
  result.prune = to_q31(op.softmax.prune / width);
  result.cap = static_cast<std::int64_t>(std::nearbyint(std::ldexp(1.0 / width, 31)));
  const double scale = gate_scale(op) * value_scale / context.scale;
  const Multiplier m = make_multiplier((result.clipped ? width / 255.0 : 1.0) * scale);
  // A row adds 7 or more to the shift (clipped: -1 or more), and at most 8 + log2(keys) = 24.
  result.by_distance = op.factors.has_value();
  const int smallest = result.clipped ? 34 : result.by_distance ? kSmallestU16Shift : 26, largest = 38;
  if (m.shift < smallest || m.shift > largest + (result.clipped ? 8 : 0)) {
    throw Error(name + ": its context range does not fit its values, V steps are " + std::to_string(value_scale) +
                ", context steps " + std::to_string(context.scale));
  }
  if (op.softmax.log_bits > 0) result.levels = attention_levels(op.softmax, scale, name);
  result.multiplier = m.multiplier;
  result.shift = m.shift;
  if (op.gate && op.gate->type == GateType::conditional_per_element) {
    // Levels have shifts of their own, for whole codes. Else one step above the smallest, where 16-bit probabilities
    // fit.
    result.gate_fraction = op.softmax.log_bits > 0 ? 0 : std::clamp(m.shift - smallest - 1, 0, kMostGateFraction);
    result.shift -= result.gate_fraction;
  }
  result.context = {.scale = static_cast<float>(context.scale), .zero_point = context.zero_point};
  return result;
}

/// In steps of the scores.
std::vector<std::int32_t> in_steps(const std::vector<float>& values, double step, const std::string& what) {
  std::vector<std::int32_t> codes;
  for (const float value : values) {
    const double code = std::nearbyint(static_cast<double>(value) / step);
    if (!(std::abs(code) <= kernels::kLargestScoreBias))
      throw Error(what + " of " + std::to_string(value) + " does not fit its scores, whose step is " +
                  std::to_string(step));
    codes.push_back(static_cast<std::int32_t>(code));
  }
  return codes;
}

Tensor score_bias(const std::vector<float>& bias, double step, int heads, const std::string& name) {
  const std::vector<std::int32_t> codes = in_steps(bias, step, name + ": a bias");
  return to_tensor(codes, {heads, static_cast<std::int64_t>(codes.size()) / heads});
}

/// What attention reads tokens that are merged by: log n, of each n, is added to the scores of the key of n tokens, as
/// if all of them were there (Bolya et al. 2023, ToMe, eq. 1).
Tensor log_sizes(const ModelInfo& info, double step, const std::string& name) {
  std::vector<float> values;
  for (int n = 1; n <= info.max_positions; ++n) values.push_back(std::log(static_cast<float>(n)));
  return to_tensor(in_steps(values, step, name + ": a logarithm of a number of tokens"));
}

/// Of each head. Softmax-1 is a sink of 0.
std::vector<float> sinks(const GraphQuantizer& q, const AttentionOp& op) {
  return op.softmax.sink ? q.floats(op.sink) : std::vector<float>(static_cast<std::size_t>(op.heads), 0.0f);
}

/// As codes of scores, whose range has them, as the paper's setting takes them.
std::vector<std::int32_t> score_codes(const std::vector<float>& values, const Quantizer& score) {
  std::vector<std::int32_t> codes;
  for (const float value : values)
    codes.push_back(static_cast<std::int32_t>(
        std::clamp(std::nearbyint(static_cast<double>(value) / score.scale) + score.zero_point, 0.0, 255.0)));
  return codes;
}

/// What the paper's static attention is made from (fixed-point.md 9).
struct StaticW8A8AttentionScales {
  double product_scale = 1.0;  ///< S_q S_k
  double value_scale = 1.0;
  Quantizer score;
  double largest_probability = 1.0;
  Quantizer context;
};

/// Bits of a gate per element below the codes of the context, which are `scale` times those of V at most.
int fraction_of(double scale) {
  int fraction = kMostGateFraction;
  while (fraction > 0 && std::ldexp(255.0 * scale, fraction) > 32767.0) --fraction;
  return fraction;
}

struct StaticW8A8AttentionConstants {
  QuantizedAttention constants;
  Tensor exponential;  ///< s32 [256]
};

StaticW8A8AttentionConstants static_w8a8_attention_constants(const AttentionOp& op,
                                                             const StaticW8A8AttentionScales& scales,
                                                             const std::string& name) {
  if (op.softmax.prune > 0.0) throw Error(name + ": has attention pruning, which the paper's setting is without");
  const double gamma = op.softmax.gamma, width = op.softmax.zeta - gamma;
  const double step = std::max(scales.largest_probability / 255.0, width * std::ldexp(1.0, -16));
  const Multiplier score =
      make_multiplier(scales.product_scale / std::sqrt(static_cast<double>(op.head_size)) / scales.score.scale);
  const double context_scale = gate_scale(op) * scales.value_scale / scales.context.scale;
  const int fraction = op.gate && op.gate->type == GateType::conditional_per_element ? fraction_of(context_scale) : 0;
  const Multiplier context = make_multiplier(std::ldexp(context_scale * step, fraction));
  if (score.shift < 18 || score.shift > 62 || context.shift < 18 || context.shift > 62) {
    throw Error(name + ": its static quantizers do not fit each other");
  }
  StaticW8A8AttentionConstants result;
  std::vector<std::int32_t> exponential;
  for (int t = 0; t < 256; ++t) {
    exponential.push_back(static_cast<std::int32_t>(std::nearbyint(std::ldexp(std::exp(-t * scales.score.scale), 24))));
  }
  result.exponential = to_tensor(exponential);
  QuantizedStaticW8A8Attention static_w8a8;
  static_w8a8.score_multiplier = score.multiplier;
  static_w8a8.score_shift = score.shift;
  static_w8a8.score = {.scale = static_cast<float>(scales.score.scale), .zero_point = scales.score.zero_point};
  static_w8a8.slope = static_cast<std::int64_t>(std::nearbyint(std::ldexp(width / step, 22)));
  static_w8a8.offset =
      std::max(static_cast<std::int64_t>(std::nearbyint(std::ldexp(gamma / step, 22))), -static_w8a8.slope);
  static_w8a8.most = static_cast<int>(std::min(255.0, std::nearbyint(1.0 / step)));
  result.constants.static_w8a8 = static_w8a8;
  result.constants.score_multiplier = 1 << 15;  // not used, but in the range that a file must keep
  result.constants.cap = 1;
  result.constants.multiplier = context.multiplier;
  result.constants.shift = context.shift;
  result.constants.gate_fraction = fraction;
  result.constants.context = {.scale = static_cast<float>(scales.context.scale),
                              .zero_point = scales.context.zero_point};
  return result;
}

}  // namespace

template <>
QuantizedQkv quantize_op(GraphQuantizer& q, const QkvProduct& op, const Node& node) {
  const std::string& name = q.name(node);
  const ValueId x = node.inputs[0];
  const Quantizer query = asymmetric_u8(q.range(op.query.name).low, q.range(op.query.name).high);
  const Quantizer key = key_or_value(q, op.key.name), value = key_or_value(q, op.value.name);
  const auto block = [](FloatRows block_rows, const Quantizer& out) {
    const Encoding encoding = stored(out);  // the product is requantized to the f32 scale that the file states
    return BlockRows{std::move(block_rows), static_cast<double>(encoding.scale), encoding};
  };
  const bool turned = op.rotary.has_value();
  const Quantizer plain_query = turned ? before_rotation(q.range(op.query.name)) : query,
                  plain_key = turned ? before_rotation(q.range(op.key.name)) : key;
  const std::vector<BlockRows> qkv = {block(q.rows(op.query, x), plain_query), block(q.rows(op.key, x), plain_key),
                                      block(q.rows_in_column_scales(op.value, node), value)};
  WeightPacker packer = q.packer(x);
  const auto blocks = packer.add(qkv);
  QuantizedQkv result{.depth = packer.depth(),
                      .query = blocks[0],
                      .key = blocks[1],
                      .value = blocks[2],
                      .asymmetric = q.options().static_w8a8,
                      .gate = {},
                      .gate_output = {}};
  if (turned) {
    if (q.options().static_w8a8) throw Error(name + ": has rotary positions, which the paper's setting is without");
    constexpr double kQ15 = 32767.0;
    result.rotated_query = bytes_of_stream(plain_query.scale / kQ15, query);
    result.rotated_key = bytes_of_stream(plain_key.scale / kQ15, key);
    put_rotary_table(q, op.rotary->table, op.head_size);
  }
  if (!op.gate.empty()) add_gate(q, op, node, packer, result);
  q.put_weights(name, packer);
  q.qkv(node.output) = {query, key, value};
  return result;
}

template <>
QuantizedAttention quantize_op(GraphQuantizer& q, const AttentionOp& op, const Node& node) {
  const std::string& name = q.name(node);
  const auto& [query, key, value] = q.qkv(node.inputs[0]);
  const Quantizer context = asymmetric_u8(q.range(name).low, q.range(name).high);
  const Refined refined = q.set_codes(node.output, context).refined;
  if (const Equalization* e = q.equalization(node.output)) q.put(name + part::kColumnScale, column_scales(e->scale));
  if (op.gate && op.gate->type == GateType::unconditional_per_head) {
    q.put(name + part::kGate, unconditional_gate(q.floats(op.gate->logits), op.gate->activation));
  }
  if (q.options().static_w8a8 && (op.window > 0 || op.most_keys > 0))
    throw Error(name + ": has " + (op.window > 0 ? "a window of keys" : "hard attention") +
                ", which the paper's setting is without");
  if (op.bias) {
    if (q.options().static_w8a8) throw Error(name + ": has a bias of scores, which the paper's setting is without");
    const double step = query.scale * key.scale / std::sqrt(static_cast<double>(op.head_size));
    q.put(name + part::kScoreBias, score_bias(q.floats(op.bias->table), step, op.heads, name));
  }
  if (q.graph().value(node.output).merged) {
    const double step = query.scale * key.scale / std::sqrt(static_cast<double>(op.head_size));
    q.put(name + part::kLogSize, log_sizes(q.model().info, step, name));
  }
  double value_scale = value.scale;
  if (op.factors) {
    if (q.options().static_w8a8) throw Error(name + ": has factors of distances, which the paper's setting is without");
    CodedFactors factors = coded_factors(q.floats(op.factors->table), op.heads);
    q.put(name + part::kFactors, factors.codes);
    value_scale *= factors.largest;
  }
  const bool sink = op.softmax.softmax1 || op.softmax.sink;
  if (!q.options().static_w8a8) {
    QuantizedAttention result =
        attention_constants(op, query.scale * key.scale, value_scale, finer(context, refined.fine_bits), name);
    if ((op.window > 0 || op.most_keys > 0) && result.score_shift > kernels::kLargestMaskedShift)
      throw Error(name + ": one step of its scores is " + std::to_string(query.scale * key.scale) +
                  ", too little for a window of keys or hard attention");
    result.context = stored(context);
    result.refined = refined;
    result.sink = sink;
    if (sink) {
      const double step = query.scale * key.scale / std::sqrt(static_cast<double>(op.head_size));
      q.put(name + part::kSink, to_tensor(in_steps(sinks(q, op), step, name + ": a sink")));
    }
    return result;
  }
  Range scores = q.range(stage_name(name, Stage::scores));
  if (sink) {
    const std::vector<float> all = sinks(q, op);
    scores.low = std::min(scores.low, *std::ranges::min_element(all));
    scores.high = std::max(scores.high, *std::ranges::max_element(all));
    q.put(name + part::kSink, to_tensor(score_codes(all, asymmetric_u8(scores.low, scores.high))));
  }
  StaticW8A8AttentionConstants static_w8a8 =
      static_w8a8_attention_constants(op,
                                      {.product_scale = query.scale * key.scale,
                                       .value_scale = value.scale,
                                       .score = asymmetric_u8(scores.low, scores.high),
                                       .largest_probability = q.range(stage_name(name, Stage::probs)).high,
                                       .context = context},
                                      name);
  q.put(name + part::kExponential, std::move(static_w8a8.exponential));
  static_w8a8.constants.sink = sink;
  return static_w8a8.constants;
}

template <>
QuantizedReduceTokens quantize_op(GraphQuantizer& q, const ReduceTokens& op, const Node& node) {
  const auto& [query, key, value] = q.qkv(node.inputs[1]);
  QuantizedReduceTokens result;
  if (op.how == Reduction::prune)
    set_score_constants(result, query.scale * key.scale, heads_of(q.graph(), node.inputs[1]).head_size, q.name(node));
  const Quantizer& in = q.stream(node.inputs[0]);
  q.stream(node.output) = in;
  result.encoding = {.scale = static_cast<float>(in.scale)};
  return result;
}

}  // namespace octavo
