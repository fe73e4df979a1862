// Where a network begins with convolutions of a picture, in integers: windows as rows of a product, then the largest of
// each window of its results.
#include "graph/names.h"
#include "integer/integer_pass.h"

#include <array>
#include <string>

namespace octavo {

using namespace kernels;

namespace {

struct BoundConvolution {
  Convolution op;
  Product product;
  QuantizedBlock block;
  int width = 0, height = 0, channels = 0;  // of what it reads
};

class BoundEmbedConvolutions : public BoundOp {
 public:
  BoundEmbedConvolutions(const EmbedConvolutions& op, const QuantizedEmbedConvolutions& constants, Binder& binder)
      : positions_(binder.get<std::int16_t>(part::kRows)),
        low_(constants.low),
        high_(constants.high),
        out_(binder.need_rows16(binder.columns())) {
    for (std::size_t i = 0; i < op.layers.size(); ++i) {
      layers_.push_back({.op = op.layers[i],
                         .product = binder.product(constants.layers[i].depth, "." + std::to_string(i)),
                         .block = constants.layers[i].block,
                         .width = op.grid_width(i),
                         .height = op.grid_height(i),
                         .channels = op.channels(i)});
      largest_channels_ = std::max(largest_channels_, op.channels(i));
    }
    for (std::size_t channel = 0; channel < 3; ++channel)
      outside_[channel] = static_cast<std::uint8_t>(constants.outside[channel]);
    binder.made().s16 = out_;
  }
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  void multiply(IntegerPass& pass, const BoundConvolution& layer, const std::uint8_t* picture, std::ptrdiff_t stride,
                const std::uint8_t* outside, std::int16_t* out) const;

  std::vector<BoundConvolution> layers_ = {};
  std::array<std::uint8_t, 3> outside_ = {};
  int largest_channels_ = 3;
  const std::int16_t* positions_;
  int low_, high_;
  Rows16 out_;
};

/// The product of all windows of one picture, before ReLU.
void BoundEmbedConvolutions::multiply(IntegerPass& pass, const BoundConvolution& layer, const std::uint8_t* picture,
                                      std::ptrdiff_t stride, const std::uint8_t* outside, std::int16_t* out) const {
  const Convolution& op = layer.op;
  const int width = op.convolved(layer.width), places = width * op.convolved(layer.height);
  const auto rows = static_cast<std::size_t>(round_up(places, kTileRows));
  const int depth = layer.product.depth;
  const ByteMatrix windows =
      tile_order(pass.workspace().get<std::uint8_t>("windows", rows * static_cast<std::size_t>(depth)), depth);
  const RowBlock all{.first = 0, .count = places};
  pass.for_rows(all, depth, [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      pass.table().copy_window({.picture = picture,
                                .width = layer.width,
                                .height = layer.height,
                                .channels = layer.channels,
                                .stride = stride,
                                .left = row % width * op.stride - op.padding,
                                .top = row / width * op.stride - op.padding,
                                .edge = op.kernel,
                                .outside = outside,
                                .out = windows,
                                .row = row});
    }
  });
  const std::ptrdiff_t out_stride = Binder::stride_of(layer.block.columns);
  pass.for_parts(all, layer.block.columns, depth, [&](const Part& part) {
    pass.table().gemm_to_s16(layer.product.part(layer.block, windows.data, part),
                             {.zero_point = 0, .out = out + part.row * out_stride + part.column, .stride = out_stride});
  });
}

NodeCodes BoundEmbedConvolutions::run(IntegerPass& pass, RowKind) const {
  const RaggedBatch& batch = pass.batch();
  Workspace::Data& workspace = pass.workspace();
  const auto* zeros = workspace.get<std::uint8_t>("outside", static_cast<std::size_t>(largest_channels_));
  for (int image = 0; image < batch.sequences(); ++image) {
    const std::uint8_t* picture = batch.pixel(image, 0, 0);
    std::ptrdiff_t stride = batch.image_stride();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      const BoundConvolution& layer = layers_[i];
      const Convolution& op = layer.op;
      const int columns = layer.block.columns, width = op.convolved(layer.width), height = op.convolved(layer.height);
      const int pooled_width = op.pooled(layer.width), places = pooled_width * op.pooled(layer.height);
      const std::ptrdiff_t convolved_stride = Binder::stride_of(columns);
      auto* convolved =
          workspace.get<std::int16_t>("convolved", static_cast<std::size_t>(round_up(width * height, 16)) *
                                                       static_cast<std::size_t>(convolved_stride));
      multiply(pass, layer, picture, stride, i == 0 ? outside_.data() : zeros, convolved);
      const bool last = i + 1 == layers_.size();
      auto* bytes = last ? nullptr
                         : workspace.get<std::uint8_t>(
                               "pooled", static_cast<std::size_t>(places) * static_cast<std::size_t>(columns));
      const int first_token = batch.start[static_cast<std::size_t>(image)];
      pass.for_rows({.first = 0, .count = places}, columns, [&](int first, int rows) {
        for (int row = first; row < first + rows; ++row) {
          std::int16_t* token = last ? pass.rows_at(out_, first_token + row) : nullptr;
          pass.table().largest_of_window({.in = convolved,
                                          .width = width,
                                          .height = height,
                                          .columns = columns,
                                          .stride = convolved_stride,
                                          .left = row % pooled_width * op.window_stride - op.window_padding,
                                          .top = row / pooled_width * op.window_stride - op.window_padding,
                                          .edge = op.window,
                                          .out = token,
                                          .u8 = last ? nullptr : bytes + std::ptrdiff_t{row} * columns});
          if (!last) continue;
          pass.table().add_patch({.columns = columns,
                                  .position = positions_ + std::ptrdiff_t{row} * columns,
                                  .patch = token,
                                  .low = low_,
                                  .high = high_,
                                  .out = token});
        }
      });
      picture = bytes;
      stride = std::ptrdiff_t{pooled_width} * columns;
    }
  }
  return {.stream = pass.rows_at(out_), .stream_stride = out_.stride};
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const EmbedConvolutions& op, const QuantizedEmbedConvolutions& constants,
                                       Binder& binder) {
  return std::make_unique<const BoundEmbedConvolutions>(op, constants, binder);
}

}  // namespace octavo
