#include "quantize/quantized_tables.h"

#include "base/vector_tensor.h"
#include "kernels/kernels.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace octavo {
namespace {

template <typename T>
Tensor to_vector_tensor(const std::vector<T>& values) {
  return to_tensor(values, {static_cast<std::int64_t>(values.size())});
}

double largest_magnitude(const std::vector<double>& values) {
  double largest = 0.0;
  for (const double value : values) largest = std::max(largest, std::abs(value));
  return largest;
}

std::int16_t to_s16(double value) {
  return static_cast<std::int16_t>(std::clamp(std::nearbyint(value), -32768.0, 32767.0));
}

int bit_length(std::uint32_t value) {
  int bits = 0;
  for (; value != 0; value >>= 1) ++bits;
  return bits;
}

double gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2)); }

}  // namespace

ByteTable::ByteTable(std::vector<std::int8_t> codes, std::vector<float> scales, int columns)
    : codes_(std::move(codes)), scales_(std::move(scales)), columns_(columns) {}

Tensor ByteTable::codes() const { return to_tensor(codes_, {static_cast<std::int64_t>(scales_.size()), columns_}); }

double ByteTable::smallest_step() const {
  const float largest = *std::max_element(scales_.begin(), scales_.end());
  return static_cast<double>(largest) * 32768.0 / 4194303.0;
}

std::vector<float> ByteTable::rest(std::vector<float> rows) const {
  for (std::size_t i = 0; i < rows.size(); ++i)
    rows[i] -= static_cast<float>(codes_[i]) * scales_[i / static_cast<std::size_t>(columns_)];
  return rows;
}

double ByteTable::largest_scale() const {
  return static_cast<double>(*std::max_element(scales_.begin(), scales_.end()));
}

Tensor ByteTable::multipliers(double step) const {
  std::vector<std::int32_t> result;
  for (const float scale : scales_) {
    result.push_back(static_cast<std::int32_t>(std::nearbyint(static_cast<double>(scale) / step * 32768.0)));
  }
  return to_vector_tensor(result);
}

ByteTable byte_table(const std::vector<float>& rows, int columns, const std::string& name, bool per_tensor) {
  const std::size_t width = static_cast<std::size_t>(columns), count = rows.size() / width;
  std::vector<std::int8_t> codes(rows.size());
  std::vector<float> scales(count);
  for (std::size_t i = 0; i < count; ++i) {
    float largest = 0.0f;
    for (std::size_t j = 0; j < width; ++j) {
      const float value = rows[i * width + j];
      if (!std::isfinite(value)) throw Error("tensor " + name + " is not finite in row " + std::to_string(i));
      largest = std::max(largest, std::abs(value));
    }
    scales[i] = largest / 127.0f;
  }
  if (per_tensor) std::fill(scales.begin(), scales.end(), *std::max_element(scales.begin(), scales.end()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const float scale = scales[i / width];
    if (scale != 0.0f)
      codes[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(rows[i] / scale), -127.0f, 127.0f));
  }
  return {std::move(codes), std::move(scales), columns};
}

std::int64_t norm_epsilon(double epsilon, std::size_t columns, double input_scale) {
  const double width = static_cast<double>(columns);
  return static_cast<std::int64_t>(
      std::nearbyint(std::min(epsilon * width * width / (input_scale * input_scale), std::ldexp(1.0, 58))));
}

NormLaneConstants norm_lane(const NormGains& gains, const Quantizer& out, const std::string& name) {
  const std::size_t columns = gains.gain.size();
  std::vector<double> gain(columns), offset(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    gain[j] = gains.gain[j] / out.scale;
    offset[j] = gains.bias[j] / out.scale + out.zero_point;
  }
  const double largest_gain = largest_magnitude(gain), largest_offset = largest_magnitude(offset);
  if (!std::isfinite(largest_gain) || !std::isfinite(largest_offset))
    throw Error(name + ": gain or bias is not finite");
  int exponent = 0;
  std::frexp(largest_gain, &exponent);
  int bits = std::min(31 - exponent, 40);
  while (std::ldexp(largest_offset + 1.0, bits - 10) >= std::ldexp(1.0, 30)) --bits;
  const int shift = bits - 10;
  if (shift < 1) {
    throw Error(name + ": its gain is " + std::to_string(largest_gain) +
                " output steps, at most 2^20 fit; its range is too small");
  }
  std::vector<std::int32_t> g(columns), b(columns);
  for (std::size_t j = 0; j < columns; ++j) {
    g[j] =
        static_cast<std::int32_t>(std::clamp(std::nearbyint(std::ldexp(gain[j], bits)), -2147483647.0, 2147483647.0));
    b[j] = static_cast<std::int32_t>(std::nearbyint(std::ldexp(offset[j] + 0.5, shift)));
  }
  return {.gain = to_vector_tensor(g), .offset = to_vector_tensor(b), .shift = shift};
}

GeluConstants gelu_constants(Activation activation, const Quantizer& out, const InputCodes& codes, int columns) {
  const std::vector<int>& copies = codes.copies;
  const int most = copies.empty() ? 1 : *std::max_element(copies.begin(), copies.end());
  const double by_range = std::trunc(std::log2(out.scale * 8191.0)),
               by_copies = std::trunc(std::log2(32767.0 / (255.0 * most)));
  GeluConstants result;
  result.fraction_bits = static_cast<int>(std::clamp(std::min(by_range, by_copies), 0.0, 6.0));
  result.fine_bits = std::min(codes.refined.fine_bits, result.fraction_bits);
  result.step = std::ldexp(out.scale, -result.fraction_bits);
  const double u = result.step;
  result.limit = static_cast<int>(std::min(std::floor(4.0 / u) + 1.0, 32768.0));
  result.normalize = 16 - bit_length(static_cast<std::uint32_t>(result.limit));
  result.inverse =
      static_cast<int>(std::min(65535.0, std::nearbyint(u / 4.0 * std::ldexp(1.0, 31 - result.normalize))));
  double d[33] = {};  // the even part GELU(x) - max(x, 0) at the cells' ends, in steps of u; ReLU has none
  for (int i = 0; i < 32 && activation == Activation::gelu; ++i) d[i] = std::nearbyint((gelu(i / 8.0) - i / 8.0) / u);
  std::vector<std::int16_t> base, slope, offset;
  const int half = (1 << (result.fraction_bits - result.fine_bits)) >> 1;  // of the last bit that is kept
  const double rounding = static_cast<double>((out.zero_point << result.fraction_bits) + half);
  for (int i = 0; i < 32; ++i) {
    base.push_back(to_s16(d[i] + rounding));
    slope.push_back(to_s16(d[i + 1] - d[i]));
  }
  for (const int r : copies) {
    for (int i = 0; i < r; ++i) offset.push_back(to_s16(-255.0 * i * (1 << result.fraction_bits)));
  }
  offset.resize(static_cast<std::size_t>((columns + kernels::kPanelColumns - 1) / kernels::kPanelColumns *
                                         kernels::kPanelColumns),
                0);
  result.base = to_vector_tensor(base);
  result.slope = to_vector_tensor(slope);
  result.offset = to_vector_tensor(offset);
  return result;
}

FloatRows repeat_rows(const FloatRows& rows, const std::vector<int>& copies) {
  FloatRows result{.name = rows.name, .columns = 0, .inputs = rows.inputs, .weight = {}, .bias = {}};
  for (int n = 0; n < rows.columns; ++n) {
    const auto first = rows.weight.begin() + static_cast<std::ptrdiff_t>(n) * rows.inputs;
    for (int i = 0; i < copies.at(static_cast<std::size_t>(n)); ++i) {
      result.weight.insert(result.weight.end(), first, first + rows.inputs);
      result.bias.push_back(rows.bias[static_cast<std::size_t>(n)]);
      if (!rows.scales.empty()) result.scales.push_back(rows.scales[static_cast<std::size_t>(n)]);
      ++result.columns;
    }
  }
  return result;
}

FloatRows repeat_columns(const FloatRows& rows, const std::vector<int>& copies) {
  FloatRows result{
      .name = rows.name, .columns = rows.columns, .inputs = 0, .weight = {}, .bias = rows.bias, .scales = rows.scales};
  for (const int r : copies) result.inputs += r;
  for (int n = 0; n < rows.columns; ++n) {
    for (int k = 0; k < rows.inputs; ++k) {
      const float weight = rows.weight[static_cast<std::size_t>(n) * static_cast<std::size_t>(rows.inputs) +
                                       static_cast<std::size_t>(k)];
      result.weight.insert(result.weight.end(), static_cast<std::size_t>(copies.at(static_cast<std::size_t>(k))),
                           weight);
    }
  }
  return result;
}

namespace {

/// m16 and k: f * 2^27 * 2^k in [2^15, 2^16), f = score_scale / sqrt(d) * log2(e).
void set_score_constants(QuantizedAttention& result, double score_scale, int head_size, const std::string& name) {
  const double f =
      score_scale / std::sqrt(static_cast<double>(head_size)) * std::log2(std::numbers::e) * 2048.0 * 65536.0;
  int exponent = 0;
  std::frexp(f, &exponent);
  result.score_shift = 16 - exponent;
  double m = std::floor(std::ldexp(f, result.score_shift) + 0.5);
  if (m == 65536.0) {
    m = 32768.0;
    --result.score_shift;
  }
  if (result.score_shift < -8)
    throw Error(name + ": its attention scores are too coarse, one step is " + std::to_string(score_scale));
  result.score_multiplier = static_cast<int>(m);
  result.score_shift = std::min(result.score_shift, 23);  // finer scores than that are all equal in Q11
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

}  // namespace

Tensor column_scales(const std::vector<float>& scales) { return to_vector_tensor(scales); }

Tensor gate_logits(const std::vector<float>& logits) {
  std::vector<std::int16_t> codes;
  for (const float logit : logits) codes.push_back(to_s16(static_cast<double>(logit) * 2048.0));
  return to_vector_tensor(codes);
}

QuantizedAttention attention_constants(const AttentionOp& op, double score_scale, double value_scale,
                                       const Quantizer& context, const std::string& name) {
  QuantizedAttention result;
  set_score_constants(result, score_scale, op.head_size, name);
  const double gamma = op.softmax.gamma, zeta = op.softmax.zeta, width = zeta - gamma;
  result.softmax1 = op.softmax.softmax1;
  result.clipped = gamma != 0.0 || zeta != 1.0 || op.softmax.softmax1 || op.softmax.prune > 0.0;
  result.theta = to_q31(-gamma / width);
  result.prune = to_q31(op.softmax.prune / width);
  result.cap = static_cast<std::int64_t>(std::nearbyint(std::ldexp(1.0 / width, 31)));
  const double gate_scale = op.gate ? op.gate->scale : 1.0;
  const Multiplier m =
      make_multiplier(gate_scale * (result.clipped ? width / 255.0 : 1.0) * value_scale / context.scale);
  // A row adds 7 or more to the shift (clipped: -1 or more), and at most 8 + log2(keys) = 24.
  const int smallest = result.clipped ? 34 : 26, largest = 38;
  if (m.shift < smallest || m.shift > largest + (result.clipped ? 8 : 0)) {
    throw Error(name + ": its context range does not fit its values, V steps are " + std::to_string(value_scale) +
                ", context steps " + std::to_string(context.scale));
  }
  if (op.softmax.log_bits > 0)
    result.levels = attention_levels(op.softmax, gate_scale * value_scale / context.scale, name);
  result.multiplier = m.multiplier;
  result.shift = m.shift;
  result.context = {.scale = static_cast<float>(context.scale), .zero_point = context.zero_point};
  return result;
}

PaperAttentionConstants paper_attention_constants(const AttentionOp& op, const PaperAttentionScales& scales,
                                                  const std::string& name) {
  if (op.softmax.softmax1 || op.softmax.prune > 0.0) {
    throw Error(name + ": has softmax-1 or attention pruning, which the paper's setting is without");
  }
  const double gamma = op.softmax.gamma, width = op.softmax.zeta - gamma;
  const double step = std::max(scales.largest_probability / 255.0, width * std::ldexp(1.0, -16));
  const Multiplier score =
      make_multiplier(scales.product_scale / std::sqrt(static_cast<double>(op.head_size)) / scales.score.scale);
  const double gate = op.gate ? op.gate->scale : 1.0;
  const Multiplier context = make_multiplier(gate * scales.value_scale * step / scales.context.scale);
  if (score.shift < 18 || score.shift > 62 || context.shift < 18 || context.shift > 62) {
    throw Error(name + ": its static quantizers do not fit each other");
  }
  PaperAttentionConstants result;
  std::vector<std::int32_t> exponential;
  for (int t = 0; t < 256; ++t) {
    exponential.push_back(static_cast<std::int32_t>(std::nearbyint(std::ldexp(std::exp(-t * scales.score.scale), 24))));
  }
  result.exponential = to_vector_tensor(exponential);
  QuantizedPaperAttention paper;
  paper.score_multiplier = score.multiplier;
  paper.score_shift = score.shift;
  paper.score = {.scale = static_cast<float>(scales.score.scale), .zero_point = scales.score.zero_point};
  paper.slope = static_cast<std::int64_t>(std::nearbyint(std::ldexp(width / step, 22)));
  paper.offset = std::max(static_cast<std::int64_t>(std::nearbyint(std::ldexp(gamma / step, 22))), -paper.slope);
  paper.most = static_cast<int>(std::min(255.0, std::nearbyint(1.0 / step)));
  result.constants.paper = paper;
  result.constants.score_multiplier = 1 << 15;  // not used, but in the range that a file must keep
  result.constants.cap = 1;
  result.constants.multiplier = context.multiplier;
  result.constants.shift = context.shift;
  result.constants.context = {.scale = static_cast<float>(scales.context.scale),
                              .zero_point = scales.context.zero_point};
  return result;
}

}  // namespace octavo
