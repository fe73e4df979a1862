#include "quantize/quantized_tables.h"

#include "base/vector_tensor.h"
#include "kernels/kernels.h"
#include "quantize/activation_value.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

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

/// Where the even part f(x) - max(x, 0) of an activation is taken to end.
double end_of(Activation activation) {
  return activation == Activation::silu ? 8.0 : activation == Activation::quick_gelu ? 5.0 : 4.0;
}

/// Lines over 32 equal cells from 0 to the end, in steps of `unit`: where they begin, and what they rise by.
struct Lines {
  double begin[32] = {}, rise[32] = {};
};

/// GELU's meet at the cells' ends, as they always have. Those of the others lie half of what a cell's middle is off
/// above or below, which halves the error; the last one ends half way to zero.
Lines lines_of(Activation activation, double end, double unit) {
  Lines lines;
  if (activation == Activation::relu) return lines;  // has no even part
  const auto even_part = [&](double x) { return (activation_value(activation, x) - x) / unit; };
  const bool centred = activation != Activation::gelu;
  for (int i = 0; i < 32; ++i) {
    const double from = even_part(end / 32.0 * i), middle = even_part(end / 32.0 * (i + 0.5));
    const double to = i < 31 ? even_part(end / 32.0 * (i + 1)) : centred ? even_part(end) / 2.0 : 0.0;
    lines.begin[i] = std::nearbyint(from + (centred ? (middle - (from + to) / 2.0) / 2.0 : 0.0));
    lines.rise[i] = centred ? std::nearbyint(to - from) : std::nearbyint(to) - lines.begin[i];
  }
  return lines;
}

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
  return to_tensor(result);
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

NormOutputConstants norm_output(const NormGains& gains, const Quantizer& out, const std::string& name) {
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
  return {.gain = to_tensor(g), .offset = to_tensor(b), .shift = shift};
}

GeluConstants gelu_constants(Activation activation, const Quantizer& out, const InputCodes& codes, int columns) {
  const std::vector<int>& channel_splits = codes.channel_splits;
  const int most = channel_splits.empty() ? 1 : *std::max_element(channel_splits.begin(), channel_splits.end());
  const double end = end_of(activation), by_range = std::trunc(std::log2(out.scale * (4.0 / end) * 8191.0)),
               by_copies = std::trunc(std::log2(32767.0 / (255.0 * most)));
  GeluConstants result;
  result.fraction_bits = static_cast<int>(std::clamp(std::min(by_range, by_copies), 0.0, 6.0));
  result.fine_bits = std::min(codes.refined.fine_bits, result.fraction_bits);
  result.step = std::ldexp(out.scale, -result.fraction_bits);
  const double u = result.step;
  result.limit = static_cast<int>(std::min(std::floor(end / u) + 1.0, 32768.0));
  result.normalize = 16 - bit_length(static_cast<std::uint32_t>(result.limit));
  result.inverse =
      static_cast<int>(std::min(65535.0, std::nearbyint(u / end * std::ldexp(1.0, 31 - result.normalize))));
  const Lines lines = lines_of(activation, end, u);
  std::vector<std::int16_t> base, slope, offset;
  const int half = (1 << (result.fraction_bits - result.fine_bits)) >> 1;  // of the last bit that is kept
  const double rounding = static_cast<double>((out.zero_point << result.fraction_bits) + half);
  for (int i = 0; i < 32; ++i) {
    base.push_back(to_s16(lines.begin[i] + rounding));
    slope.push_back(to_s16(lines.rise[i]));
  }
  for (const int r : channel_splits) {
    for (int i = 0; i < r; ++i) offset.push_back(to_s16(-255.0 * i * (1 << result.fraction_bits)));
  }
  offset.resize(static_cast<std::size_t>((columns + kernels::kPanelColumns - 1) / kernels::kPanelColumns *
                                         kernels::kPanelColumns),
                0);
  result.base = to_tensor(base);
  result.slope = to_tensor(slope);
  result.offset = to_tensor(offset);
  return result;
}

FloatRows repeat_rows(const FloatRows& rows, const std::vector<int>& channel_splits) {
  FloatRows result{.name = rows.name, .columns = 0, .inputs = rows.inputs, .weight = {}, .bias = {}};
  if (rows.four_bit)
    result.four_bit = {.groups = rows.four_bit->groups, .group = rows.four_bit->group, .multiplier = {}};
  for (int n = 0; n < rows.columns; ++n) {
    const auto first = rows.weight.begin() + static_cast<std::ptrdiff_t>(n) * rows.inputs;
    for (int i = 0; i < channel_splits.at(static_cast<std::size_t>(n)); ++i) {
      result.weight.insert(result.weight.end(), first, first + rows.inputs);
      result.bias.push_back(rows.bias[static_cast<std::size_t>(n)]);
      if (!rows.scales.empty()) result.scales.push_back(rows.scales[static_cast<std::size_t>(n)]);
      if (rows.four_bit) {
        const auto own = rows.four_bit->multiplier.begin() + static_cast<std::ptrdiff_t>(n) * rows.four_bit->groups;
        result.four_bit->multiplier.insert(result.four_bit->multiplier.end(), own, own + rows.four_bit->groups);
      }
      ++result.columns;
    }
  }
  return result;
}

FloatRows repeat_columns(const FloatRows& rows, const std::vector<int>& channel_splits) {
  FloatRows result{
      .name = rows.name, .columns = rows.columns, .inputs = 0, .weight = {}, .bias = rows.bias, .scales = rows.scales};
  for (const int r : channel_splits) result.inputs += r;
  if (rows.four_bit) {
    result.four_bit = {.groups = rows.four_bit->groups, .group = {}, .multiplier = rows.four_bit->multiplier};
    for (int k = 0; k < result.inputs; ++k) result.four_bit->group.push_back(k / kernels::kGroupDepth);
  }
  for (int n = 0; n < rows.columns; ++n) {
    for (int k = 0; k < rows.inputs; ++k) {
      const float weight = rows.weight[static_cast<std::size_t>(n) * static_cast<std::size_t>(rows.inputs) +
                                       static_cast<std::size_t>(k)];
      result.weight.insert(result.weight.end(),
                           static_cast<std::size_t>(channel_splits.at(static_cast<std::size_t>(k))), weight);
    }
  }
  return result;
}

}  // namespace octavo
