#include "quantized_weights.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/kernels.h"
#include "octavo/error.h"

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

template <typename T>
Tensor to_tensor(const std::vector<T>& values, Tensor::Shape shape) {
  Tensor tensor(dtype_of<T>(), std::move(shape));
  std::memcpy(tensor.writable<T>().data(), values.data(), values.size() * sizeof(T));
  return tensor;
}

}  // namespace

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

WeightPacker::WeightPacker(int inputs, const Quantizer& input, WeightScales scales, std::vector<bool> carries_zero_point)
    : inputs_(inputs),
      depth_(round_up(inputs, kernels::kTileDepth)),
      input_(input),
      scales_(scales),
      carries_zero_point_(std::move(carries_zero_point)) {
  if (carries_zero_point_.empty()) carries_zero_point_.assign(static_cast<std::size_t>(inputs), true);
}

void WeightPacker::pack_row(int column, const FloatRows& rows, int row, float scale) {
  const float* weight = rows.weight.data() + static_cast<std::size_t>(row) * static_cast<std::size_t>(inputs_);
  std::int64_t zero_point_sum = 0;
  for (int k = 0; k < inputs_; ++k) {
    const float code = std::clamp(std::nearbyint(weight[k] / scale), -127.0f, 127.0f);
    const auto index = kernels::packed_index(static_cast<std::size_t>(column), static_cast<std::size_t>(k),
                                             static_cast<std::size_t>(depth_));
    packed_[index] = static_cast<std::int8_t>(code);
    if (carries_zero_point_[static_cast<std::size_t>(k)]) zero_point_sum += static_cast<std::int64_t>(code);
  }
  const double real = static_cast<double>(scale) * input_.scale;
  const double bias = std::nearbyint(static_cast<double>(rows.bias[static_cast<std::size_t>(row)]) / real) -
                      static_cast<double>(input_.zero_point * zero_point_sum);
  if (!std::isfinite(bias)) throw Error(rows.name + ": its bias is not finite");
  bias_[static_cast<std::size_t>(column)] = static_cast<std::int32_t>(
      std::clamp(bias, -static_cast<double>(kLargestBias), static_cast<double>(kLargestBias)));
}

std::vector<double> WeightPacker::pack_block(int first_column, const BlockRows& block) {
  const FloatRows& rows = block.rows;
  if (rows.inputs != inputs_) {
    throw Error(rows.name + " has " + std::to_string(rows.inputs) + " inputs, expected " + std::to_string(inputs_));
  }
  const std::size_t columns = bias_.size() + static_cast<std::size_t>(round_up(rows.columns, kernels::kPanelColumns));
  packed_.resize(columns * static_cast<std::size_t>(depth_), 0);
  bias_.resize(columns, 0);
  multiplier_.resize(columns, 0);

  const std::vector<float> scales = rows.scales.empty() ? weight_scales(rows, scales_, input_.scale) : rows.scales;
  std::vector<double> real(scales.size());
  for (std::size_t n = 0; n < scales.size(); ++n) {
    pack_row(first_column + static_cast<int>(n), rows, static_cast<int>(n), scales[n]);
    real[n] = static_cast<double>(scales[n]) * input_.scale / block.output_scale;
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
  return to_tensor(packed_, {static_cast<std::int64_t>(bias_.size()), depth_});
}

Tensor WeightPacker::bias() const { return to_tensor(bias_, {static_cast<std::int64_t>(bias_.size())}); }

Tensor WeightPacker::multiplier() const {
  return to_tensor(multiplier_, {static_cast<std::int64_t>(multiplier_.size())});
}

}  // namespace octavo
