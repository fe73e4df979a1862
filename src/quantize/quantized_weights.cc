#include "quantize/quantized_weights.h"

#include "base/vector_tensor.h"
#include "graph/refined_rows.h"
#include "kernels/kernels.h"
#include "quantize/four_bit_weights.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

constexpr int kLargestBias = 1 << 30;

int round_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

float largest_magnitude(const float* values, std::size_t count) {
  float largest = 0.0f;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::abs(values[i]));
  return largest;
}

/// The smallest weight scale with which these biases, counted in steps of the accumulator, are at most 2^28. It matters
/// for rows of zeros or nearly so, whose bias would else be clamped away.
float scale_for_bias(const float* bias, std::size_t count, double input_scale) {
  return static_cast<float>(static_cast<double>(largest_magnitude(bias, count)) / (input_scale * (1 << 28)));
}

}  // namespace

float rounded_code(const FloatRows& rows, int row, int input, float weight, float scale, int steps) {
  if (rows.four_bit) {
    const auto multiplier = static_cast<float>(rows.multiplier(row, input));
    return std::clamp(std::nearbyint(weight / (scale * multiplier)), -8.0f, 7.0f) * multiplier;
  }
  const auto most = static_cast<float>(127 * steps);
  return std::clamp(std::nearbyint(weight / scale), -most, most);
}

std::vector<float> weight_scales(const FloatRows& rows, WeightScales scales, double input_scale) {
  const auto inputs = static_cast<std::size_t>(rows.inputs);
  std::vector<float> result(static_cast<std::size_t>(rows.columns));
  const auto scale = [&](std::size_t first, std::size_t count) {
    const float largest = largest_magnitude(rows.weight.data() + first * inputs, count * inputs);
    return std::max({largest / 127.0f, scale_for_bias(rows.bias.data() + first, count, input_scale), 1e-12f});
  };
  const float whole = scale(0, result.size());
  if (!std::isfinite(whole)) throw Error(rows.name + ": its weights or biases are not finite");
  for (std::size_t n = 0; n < result.size(); ++n) result[n] = scales == WeightScales::per_tensor ? whole : scale(n, 1);
  return result;
}

int InputCodes::inputs() const {
  return channel_splits.empty() ? columns : std::accumulate(channel_splits.begin(), channel_splits.end(), 0);
}

void InputCodes::set_means(const ColumnStatistics* statistics) {
  constexpr int kHighest = 255 << kFineBits;
  const auto width = static_cast<std::size_t>(columns);
  const std::size_t rows = statistics ? statistics->sample.size() / width : 0;
  const double step = std::ldexp(quantizer.scale, -kFineBits), zero = quantizer.zero_point << kFineBits;
  const int dropped = kFineBits - refined.fine_bits;
  fine_mean.clear();
  rest_mean.clear();
  for (std::size_t j = 0; j < width; ++j) {
    for (int copy = 0; copy < (channel_splits.empty() ? 1 : channel_splits[j]); ++copy) {
      double fine = rows == 0 && copy == 0 ? 3.5 : 0.0, rest = fine;
      for (std::size_t i = 0; i < rows; ++i) {
        const double code =
            std::nearbyint(static_cast<double>(statistics->sample[i * width + j]) / step) + zero - copy * kHighest;
        const int bounded = static_cast<int>(std::clamp(code, 0.0, static_cast<double>(kHighest)));
        fine += static_cast<double>((bounded & 7) >> dropped) / static_cast<double>(rows);
        rest += static_cast<double>((bounded >> kFineBits) & 7) / static_cast<double>(rows);
      }
      fine_mean.push_back(static_cast<float>(fine));
      rest_mean.push_back(static_cast<float>(rest));
    }
  }
}

WeightPacker::WeightPacker(InputCodes input, WeightScales scales)
    : input_(std::move(input)),
      inputs_(input_.inputs()),
      depth_(refined_depth(inputs_, input_.refined)),
      scales_(scales) {
  if (depth_ > kMaxColumns) {
    throw Error("a product has depth " + std::to_string(depth_) + ", expected at most " + std::to_string(kMaxColumns));
  }
  for (int j = 0; j < input_.columns; ++j) {
    const int channel_splits = input_.channel_splits.empty() ? 1 : input_.channel_splits[static_cast<std::size_t>(j)];
    for (int copy = 0; copy < channel_splits; ++copy) carries_zero_point_.push_back(copy == 0);
  }
  if (input_.refined.times() > 1 && input_.fine_mean.empty()) input_.set_means(nullptr);
}

void WeightPacker::put(int column, int k, double code) {
  const auto index = kernels::packed_index(static_cast<std::size_t>(column), static_cast<std::size_t>(k),
                                           static_cast<std::size_t>(depth_));
  packed_[index] = static_cast<std::int8_t>(code);
}

/// With w = code + rest / 8 in steps of the scale, fine codes meet w / 2^bits and coarse ones `rest`. What both lose by
/// rounding is made up for, on average, by the bias.
void WeightPacker::pack_row(int column, const FloatRows& rows, int row, float scale) {
  const float* weight = rows.weight.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(inputs_);
  const int part = depth_ / input_.refined.times(), steps = weight_steps(input_.refined),
            fine_bits = input_.refined.fine_bits;
  std::int64_t zero_point_sum = 0;
  double lost = 0.0;
  for (int k = 0; k < inputs_; ++k) {
    const auto input = static_cast<std::size_t>(k);
    const double code = rounded_code(rows, row, k, weight[k], scale);
    const double rest =
        steps == 1 ? 0.0 : std::clamp(std::nearbyint(steps * (weight[k] / scale - code)), -127.0, 127.0);
    const double whole = code + rest / steps, fine = std::nearbyint(std::ldexp(whole, -fine_bits));
    put(column, k, code);
    if (fine_bits > 0) {
      put(column, part + k, fine);
      lost += static_cast<double>(input_.fine_mean[input]) * (std::ldexp(whole, -fine_bits) - fine);
    }
    if (steps > 1) {
      put(column, depth_ - part + k, rest);
      lost += static_cast<double>(input_.rest_mean[input]) * rest / steps;
    }
    if (!carries_zero_point_[input]) continue;
    zero_point_sum += static_cast<std::int64_t>(code);
    lost -= input_.quantizer.zero_point * rest / steps;
  }
  const double real = static_cast<double>(scale) * input_.quantizer.scale;
  const double bias = std::nearbyint(static_cast<double>(rows.bias[static_cast<std::size_t>(row)]) / real + lost) -
                      static_cast<double>(input_.quantizer.zero_point * zero_point_sum);
  if (!std::isfinite(bias)) throw Error(rows.name + ": its bias is not finite");
  bias_[static_cast<std::size_t>(column)] = static_cast<std::int32_t>(
      std::clamp(bias, -static_cast<double>(kLargestBias), static_cast<double>(kLargestBias)));
}

std::vector<double> WeightPacker::pack_block(int first_column, const BlockRows& block) {
  const FloatRows& rows = block.rows;
  if (rows.inputs != inputs_) {
    throw Error(rows.name + " has " + std::to_string(rows.inputs) + " inputs, expected " + std::to_string(inputs_));
  }
  if (!bias_.empty() && rows.four_bit.has_value() != has_four_bits())
    throw Error(rows.name + ": its weights and those before it differ in bits");
  const std::size_t columns = bias_.size() + static_cast<std::size_t>(round_up(rows.columns, kernels::kPanelColumns));
  packed_.resize(columns * static_cast<std::size_t>(depth_), 0);
  bias_.resize(columns, 0);
  multiplier_.resize(columns, 0);
  if (rows.four_bit) {
    const auto depth = static_cast<std::size_t>(depth_);
    group_multiplier_.resize(columns * depth / kernels::kGroupDepth, 0);
    put_group_multipliers(rows, static_cast<std::size_t>(first_column), depth, group_multiplier_);
  }

  const std::vector<float> scales =
      rows.scales.empty() ? weight_scales(rows, scales_, input_.quantizer.scale) : rows.scales;
  std::vector<double> real(scales.size());
  for (std::size_t n = 0; n < scales.size(); ++n) {
    pack_row(first_column + static_cast<int>(n), rows, static_cast<int>(n), scales[n]);
    const double worth = block.output_scale * (block.column_scales.empty() ? 1.0 : block.column_scales[n]);
    real[n] = static_cast<double>(scales[n]) * input_.quantizer.scale / worth;
  }
  return real;
}

std::vector<QuantizedBlock> WeightPacker::add(const std::vector<BlockRows>& blocks) {
  std::vector<QuantizedBlock> result;
  std::vector<double> real;
  for (const BlockRows& block : blocks) {
    const int first_column = static_cast<int>(bias_.size());
    const std::vector<double> own = pack_block(first_column, block);
    real.insert(real.end(), own.begin(), own.end());
    result.push_back({.name = block.rows.name,
                      .first_column = first_column,
                      .columns = block.rows.columns,
                      .encoding = block.encoding});
  }
  const Multipliers multipliers = make_multipliers(real, blocks.front().rows.name);
  auto next = multipliers.multiplier.begin();
  for (QuantizedBlock& block : result) {
    block.shift = multipliers.shift;
    std::copy_n(next, block.columns, multiplier_.begin() + block.first_column);
    next += block.columns;
  }
  return result;
}

Tensor WeightPacker::weight() const {
  const auto columns = static_cast<std::int64_t>(bias_.size());
  if (!has_four_bits()) return to_tensor(packed_, {columns, depth_});
  return four_bit_codes(packed_, group_multiplier_, bias_.size(), static_cast<std::size_t>(depth_));
}

Tensor WeightPacker::group_multiplier() const {
  return to_tensor(group_multiplier_, {static_cast<std::int64_t>(bias_.size()), depth_ / kernels::kGroupDepth});
}

Tensor WeightPacker::bias() const { return to_tensor(bias_, {static_cast<std::int64_t>(bias_.size())}); }

Tensor WeightPacker::multiplier() const {
  return to_tensor(multiplier_, {static_cast<std::int64_t>(multiplier_.size())});
}

}  // namespace octavo
