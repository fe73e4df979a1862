// Convolutions of pictures in a model file.
#include "graph/names.h"
#include "kernels/kernels.h"
#include "model_file/op_json.h"

namespace octavo {

constexpr int kMostConvolutions = 4;

template <>
void describe(Fields& node, EmbedConvolutions& op, QuantizedEmbedConvolutions& constants) {
  node.integer("width", op.width, 1, 4096);
  node.integer("height", op.height, 1, 4096);
  auto count = static_cast<int>(op.layers.size());
  node.integer("layers", count, 1, kMostConvolutions);
  op.layers.resize(static_cast<std::size_t>(count));
  constants.layers.resize(op.layers.size());
  for (std::size_t i = 0; i < op.layers.size(); ++i) {
    Convolution& layer = op.layers[i];
    node.section("layer." + std::to_string(i), [&](Fields& fields) {
      fields.integer("kernel", layer.kernel, 1, 32);
      fields.integer("stride", layer.stride, 1, 32);
      fields.integer("padding", layer.padding, 0, 31);
      fields.integer("window", layer.window, 1, 32);
      fields.integer("window_stride", layer.window_stride, 1, 32);
      fields.integer("window_padding", layer.window_padding, 0, 16);
      describe_product(fields, constants.layers[i]);
    });
    if (node.reads()) layer.weights = plain(constants.layers[i].block);
  }
  node.section("integer", [&](Fields& integer) {
    integer.integers("outside", constants.outside, 0, 255);
    integer.require(constants.outside.size() == 3, "outside", "a pixel of three channels");
    describe(integer, "stream", constants.stream, 0, 0);
    integer.integer("low", constants.low, -32768, 0);
    integer.integer("high", constants.high, 0, 32767);
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, EmbedConvolutions op, const QuantizedEmbedConvolutions&) {
  node.inputs(0);
  const ValueId value = g.embed_convolutions(node.name(), std::move(op));
  const int columns = node.columns(8192);
  if (g.graph().columns(value) != columns)
    node.json().fail("columns", std::to_string(g.graph().columns(value)) + ", as many as the last convolution makes");
  return value;
}

template <>
void check(NodeCheck& node, const EmbedConvolutions& op, const QuantizedEmbedConvolutions& constants) {
  if (!node.is_first()) node.fail("is not the first op");
  const std::optional<ImageSettings>& image = node.info().image;
  if (!image || image->width != op.width || image->height != op.height)
    node.fail("does not fit the images that the model takes");
  if (op.tokens() != node.info().max_positions || node.info().prefix_tokens != 0)
    node.fail("makes " + std::to_string(op.tokens()) + " tokens of an image, expected max_positions");
  for (std::size_t i = 0; i < op.layers.size(); ++i) {
    const QuantizedConvolution& layer = constants.layers[i];
    const int depth = round_up_to(op.inputs(i), kernels::kTileDepth);
    if (layer.depth != depth || layer.block.first_column != 0 || layer.block.encoding.zero_point != 0)
      node.fail("has a convolution " + layer.block.name + " whose product does not fit its windows");
    node.check_weights(std::to_string(i) + ".", round_up_to(layer.block.columns, kernels::kPanelColumns), depth);
  }
  node.get<std::int16_t>("rows", {op.tokens(), node.columns()});
  node.set_rows16();
}

}  // namespace octavo
