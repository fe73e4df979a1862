// Patches of pictures: what folds into the product of the pixels, and what the rows of an image start from.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/graph_quantizer.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

/// Pixels are their own codes.
constexpr Quantizer kPixels = {.scale = 1.0, .zero_point = 0, .low = 0, .high = 255};

/// Rows over the bytes of a patch, whose three channels are interleaved as in an Image: W / (255 deviation), and the
/// bias less sum W mean / deviation. `bias` empty: zeros.
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

/// s16 [prefix rows + patches, columns] in steps of the stream: token + position of the prefix rows, position of the
/// patches.
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

}  // namespace

template <>
QuantizedEmbedPatches quantize_op(GraphQuantizer& q, const EmbedPatches& op, const Node& node) {
  const std::string& name = q.name(node);
  Quantizer& stream = q.stream(node.output);
  if (!q.in_sum(node.output)) stream = q.stream_quantizer(node.output);  // a LayerNorm alone reads it
  FloatRows weights = pixel_rows(op, q.floats(op.projection.weight),
                                 op.projection.bias.empty() ? std::vector<float>{} : q.floats(op.projection.bias));
  QuantizedEmbedPatches result;
  result.stream = {.scale = static_cast<float>(stream.scale)};
  result.low = stream.low;
  result.high = stream.high;
  WeightPacker packer(weights.inputs, kPixels, q.options().weights);
  if (op.norm) {
    const Range r = q.range(stage_name(name, Stage::product));
    const Quantizer product = symmetric_s16(r.low, r.high);
    const std::vector<float> gain = q.floats(op.norm->gain), bias = q.floats(op.norm->bias);
    result.epsilon = norm_epsilon(op.norm->epsilon, gain.size(), product.scale);
    Quantizer output{.scale = stream.scale, .zero_point = 0, .low = -32768, .high = 32767};
    result.norm =
        q.put_norm_output(name + part::kS16Output, {{gain.begin(), gain.end()}, {bias.begin(), bias.end()}}, output);
    result.block = packer.add({{std::move(weights), product.scale, stored(product)}})[0];
  } else {
    result.block = packer.add({{std::move(weights), stream.scale, {.scale = static_cast<float>(stream.scale)}}})[0];
  }
  result.depth = packer.depth();
  q.put_weights(name, packer);
  std::vector<std::vector<float>> tokens;
  for (const PrefixRows& rows : op.prefix) tokens.push_back(q.floats(rows.token));
  q.put(name + part::kRows, image_rows(op, tokens, q.floats(op.position), stream));
  return result;
}

}  // namespace octavo
