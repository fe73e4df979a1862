// Convolutions of pictures: rows over windows, and the positions of tokens.
#include "base/fixed_point.h"
#include "graph/names.h"
#include "quantize/graph_quantizer.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

/// Codes from 0 on: what ReLU leaves, and pixels.
Quantizer from_zero(double scale) { return {.scale = scale, .zero_point = 0, .low = 0, .high = 255}; }

/// Rows over the bytes of a window, place by place with all channels side by side. Those of pixels take up mean and
/// deviation: W / (255 deviation), and the bias less sum W mean / deviation.
FloatRows window_rows(const GraphQuantizer& q, const EmbedConvolutions& op, std::size_t l) {
  const LinearBlock& block = op.layers[l].weights;
  const std::vector<float> weight = q.floats(block.weight);
  const auto channels = static_cast<std::size_t>(op.channels(l)),
             places = static_cast<std::size_t>(op.layers[l].kernel * op.layers[l].kernel),
             columns = static_cast<std::size_t>(block.columns);
  FloatRows rows{.name = block.name,
                 .columns = block.columns,
                 .inputs = op.inputs(l),
                 .weight = std::vector<float>(weight.size()),
                 .bias = block.bias.empty() ? std::vector<float>(columns) : q.floats(block.bias)};
  for (std::size_t n = 0; n < columns; ++n) {
    double folded = static_cast<double>(rows.bias[n]);
    for (std::size_t channel = 0; channel < channels; ++channel) {
      const double deviation = l == 0 ? op.deviation[channel] : 1.0, mean = l == 0 ? op.mean[channel] : 0.0;
      for (std::size_t i = 0; i < places; ++i) {
        const double w = static_cast<double>(weight[(n * channels + channel) * places + i]) / deviation;
        rows.weight[(n * places + i) * channels + channel] = static_cast<float>(l == 0 ? w / 255.0 : w);
        folded -= w * mean;
      }
    }
    rows.bias[n] = static_cast<float>(folded);
  }
  return rows;
}

/// s16 [tokens, columns] in steps of the stream.
Tensor position_rows(const EmbedConvolutions& op, const std::vector<float>& positions, const Quantizer& stream) {
  Tensor result(DType::s16, {op.tokens(), op.layers.back().weights.columns});
  const std::span<std::int16_t> codes = result.writable<std::int16_t>();
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const double code = std::nearbyint(static_cast<double>(positions[i]) / stream.scale);
    codes[i] =
        static_cast<std::int16_t>(std::clamp(code, static_cast<double>(stream.low), static_cast<double>(stream.high)));
  }
  return result;
}

}  // namespace

template <>
QuantizedEmbedConvolutions quantize_op(GraphQuantizer& q, const EmbedConvolutions& op, const Node& node) {
  const std::string& name = q.name(node);
  Quantizer& stream = q.stream(node.output);
  if (!q.in_sum(node.output)) stream = q.stream_quantizer(node.output);  // a LayerNorm alone reads it
  QuantizedEmbedConvolutions result;
  result.stream = {.scale = static_cast<float>(stream.scale)};
  result.low = stream.low;
  result.high = stream.high;
  for (const double mean : op.mean)
    result.outside.push_back(static_cast<int>(std::clamp(std::nearbyint(255.0 * mean), 0.0, 255.0)));
  Quantizer read = from_zero(1.0);  // pixels are their own codes
  for (std::size_t l = 0; l < op.layers.size(); ++l) {
    const bool last = l + 1 == op.layers.size();
    const Quantizer made =
        last ? stream : from_zero(asymmetric_u8(0.0f, q.range(op.layers[l].weights.name).high).scale);
    FloatRows rows = window_rows(q, op, l);
    WeightPacker packer(rows.inputs, read, q.options().weights);
    QuantizedConvolution layer;
    layer.block = packer.add({{std::move(rows), made.scale, {.scale = static_cast<float>(made.scale)}}})[0];
    layer.depth = packer.depth();
    q.put_weights(name + "." + std::to_string(l), packer);
    result.layers.push_back(std::move(layer));
    read = made;
  }
  q.put(name + part::kRows,
        position_rows(op, op.position.empty() ? std::vector<float>{} : q.floats(op.position), stream));
  return result;
}

}  // namespace octavo
