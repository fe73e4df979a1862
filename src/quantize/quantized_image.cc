#include "quantize/quantized_image.h"

#include <algorithm>
#include <cmath>

namespace octavo {

FloatRows pixel_rows(const EmbedPatches& op, const std::vector<float>& weight, const std::vector<float>& bias) {
  const auto columns = static_cast<std::size_t>(op.projection.columns),
             pixels = static_cast<std::size_t>(op.patch_size * op.patch_size);
  FloatRows rows{.name = op.projection.name,
                 .columns = op.projection.columns,
                 .inputs = 3 * static_cast<int>(pixels),
                 .weight = std::vector<float>(weight.size()),
                 .bias = bias};
  rows.bias.resize(columns, 0.0f);
  for (std::size_t n = 0; n < columns; ++n) {
    double folded = static_cast<double>(rows.bias[n]);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      for (std::size_t i = 0; i < pixels; ++i) {
        const double w = static_cast<double>(weight[(3 * n + channel) * pixels + i]) / op.deviation[channel];
        rows.weight[3 * (n * pixels + i) + channel] = static_cast<float>(w / 255.0);
        folded -= w * op.mean[channel];
      }
    }
    rows.bias[n] = static_cast<float>(folded);
  }
  return rows;
}

Tensor image_rows(const EmbedPatches& op, const std::vector<std::vector<float>>& tokens,
                  const std::vector<float>& positions, const Quantizer& stream) {
  const auto columns = static_cast<std::size_t>(op.projection.columns);
  Tensor result(DType::s16, {op.prefix_rows() + op.patches(), op.projection.columns});
  auto out = result.writable<std::int16_t>().begin();
  const auto put = [&](double value) {
    const double low = stream.low, high = stream.high;
    *out++ = static_cast<std::int16_t>(std::clamp(std::nearbyint(value / stream.scale), low, high));
  };
  for (std::size_t i = 0; i < op.prefix.size(); ++i) {
    const int first = op.prefix[i].position;
    for (std::size_t j = 0; j < tokens[i].size(); ++j) {
      const double position =
          first < 0 ? 0.0 : static_cast<double>(positions[static_cast<std::size_t>(first) * columns + j]);
      put(static_cast<double>(tokens[i][j]) + position);
    }
  }
  const std::size_t first = static_cast<std::size_t>(op.first_position) * columns;
  for (std::size_t j = 0; j < static_cast<std::size_t>(op.patches()) * columns; ++j)
    put(static_cast<double>(positions[first + j]));
  return result;
}

double logit_step(const FloatRows& weights, const Quantizer& input) {
  float largest = 0.0f;
  for (const float w : weights.weight) largest = std::max(largest, std::abs(w));
  return std::max(static_cast<double>(largest) / 127.0 * input.scale, 1e-12);
}

}  // namespace octavo
