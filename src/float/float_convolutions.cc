// Where a network begins with convolutions of a picture, in float32.
#include "float/float_run.h"

namespace octavo {
namespace {

using Product = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Rows of places, row by row of the picture, with the channels side by side.
FloatMatrix normalised_picture(const EmbedConvolutions& op, const RaggedBatch& batch, int image) {
  FloatMatrix result(Eigen::Index{op.width} * op.height, 3);
  for (Eigen::Index place = 0; place < result.rows(); ++place) {
    const std::uint8_t* pixel =
        batch.pixel(image, static_cast<int>(place) % op.width, static_cast<int>(place) / op.width);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const auto mean = static_cast<float>(op.mean[channel]), deviation = static_cast<float>(op.deviation[channel]);
      result(place, static_cast<Eigen::Index>(channel)) =
          (static_cast<float>(pixel[channel]) / 255.0f - mean) / deviation;
    }
  }
  return result;
}

struct Grid {
  int width = 0, height = 0;
};

/// A row for each place of the result, in the order of a weight's row: [channels, kernel, kernel].
Product windows(const FloatMatrix& in, const Grid& grid, const Convolution& layer) {
  const int width = layer.convolved(grid.width), height = layer.convolved(grid.height), kernel = layer.kernel;
  Product result = Product::Zero(Eigen::Index{width} * height, in.cols() * kernel * kernel);
  for (Eigen::Index row = 0; row < result.rows(); ++row) {
    const int left = static_cast<int>(row) % width * layer.stride - layer.padding,
              top = static_cast<int>(row) / width * layer.stride - layer.padding;
    for (int y = std::max(-top, 0); y < kernel && top + y < grid.height; ++y) {
      for (int x = std::max(-left, 0); x < kernel && left + x < grid.width; ++x) {
        const Eigen::Index place = Eigen::Index{top + y} * grid.width + left + x;
        for (Eigen::Index channel = 0; channel < in.cols(); ++channel)
          result(row, (channel * kernel + y) * kernel + x) = in(place, channel);
      }
    }
  }
  return result;
}

/// ReLU and the largest value of each window.
FloatMatrix pooled(const Product& in, const Grid& grid, const Convolution& layer) {
  const int from_width = layer.convolved(grid.width), from_height = layer.convolved(grid.height);
  const int width = layer.pooled(grid.width), height = layer.pooled(grid.height);
  FloatMatrix result = FloatMatrix::Zero(Eigen::Index{width} * height, in.cols());
  for (Eigen::Index row = 0; row < result.rows(); ++row) {
    const int left = static_cast<int>(row) % width * layer.window_stride - layer.window_padding,
              top = static_cast<int>(row) / width * layer.window_stride - layer.window_padding;
    for (int y = std::max(top, 0); y < std::min(top + layer.window, from_height); ++y) {
      for (int x = std::max(left, 0); x < std::min(left + layer.window, from_width); ++x)
        result.row(row) = result.row(row).max(in.row(Eigen::Index{y} * from_width + x).array());
    }
  }
  return result;
}

}  // namespace

template <>
void FloatExecutor::Run::execute(const EmbedConvolutions& op, const Node& node) {
  const int images = batch().sequences();
  std::vector<FloatMatrix> pictures(static_cast<std::size_t>(images));
  for (int i = 0; i < images; ++i) pictures[static_cast<std::size_t>(i)] = normalised_picture(op, batch(), i);
  for (std::size_t l = 0; l < op.layers.size(); ++l) {
    const Convolution& layer = op.layers[l];
    const Grid grid{.width = op.grid_width(l), .height = op.grid_height(l)};
    const ConstRow all = model.bound(layer.weights.weight);
    const Eigen::Map<const Product> weight(all.data(), layer.weights.columns, op.inputs(l));
    workspace.pool.run(images, [&](int image, int) {
      FloatMatrix& picture = pictures[static_cast<std::size_t>(image)];
      Product made = windows(picture, grid, layer) * weight.transpose();
      if (!layer.weights.bias.empty()) made.rowwise() += model.bound(layer.weights.bias).matrix().transpose();
      picture = pooled(made, grid, layer);
    });
    if (l + 1 == op.layers.size()) break;
    for (const FloatMatrix& picture : pictures)
      observe(layer.weights.name, picture.data(), picture.rows(), layer.weights.columns);
  }
  for (int i = 0; i < images; ++i) {
    const FloatMatrix& picture = pictures[static_cast<std::size_t>(i)];
    const Eigen::Index size = picture.size();
    Row out(at(node.output) + std::ptrdiff_t{batch().start[static_cast<std::size_t>(i)]} * picture.cols(), size);
    out = ConstRow(picture.data(), size);
    if (!op.position.empty()) out += model.bound(op.position).head(size);
  }
}

}  // namespace octavo
