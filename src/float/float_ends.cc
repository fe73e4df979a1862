// Where a network begins with patches, and where its heads begin with rows of tokens, in float32.
#include "float/float_run.h"

namespace octavo {
namespace {

/// The patches of one image, each in the order [3, patch_size, patch_size].
void normalised_patches(const EmbedPatches& op, const RaggedBatch& batch, int image, float* out) {
  const int size = op.patch_size;
  const std::ptrdiff_t stride = batch.image_stride();
  for (int patch = 0; patch < op.patches(); ++patch) {
    const std::uint8_t* first = batch.pixel(image, patch % op.grid_width * size, patch / op.grid_width * size);
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const auto mean = static_cast<float>(op.mean[channel]), deviation = static_cast<float>(op.deviation[channel]);
      for (int y = 0; y < size; ++y) {
        for (int x = 0; x < size; ++x) {
          const float value = static_cast<float>(first[y * stride + 3 * x + static_cast<int>(channel)]);
          *out++ = (value / 255.0f - mean) / deviation;
        }
      }
    }
  }
}

}  // namespace

template <>
void FloatExecutor::Run::execute(const EmbedPatches& op, const Node& node) {
  const int columns = op.projection.columns, inputs = op.inputs(), count = batch().sequences() * op.patches();
  auto* pixels = workspace.get<float>("float.pixels", padded_rows(count) * static_cast<std::size_t>(inputs));
  auto* patches = workspace.get<float>("float.patches", padded_rows(count) * static_cast<std::size_t>(columns));
  for (int i = 0; i < batch().sequences(); ++i)
    normalised_patches(op, batch(), i, pixels + std::ptrdiff_t{i} * op.patches() * inputs);
  model.products.of(node)->run(workspace.pool, count, pixels, patches);
  if (op.norm) {
    observe(stage_name(model.name(node.output), Stage::product), patches, count, columns);
    normalise(*op.norm, patches, patches, count, columns);
  }
  const ConstRow positions = model.bound(op.position);
  for (int i = 0; i < batch().sequences(); ++i) {
    float* out = at(node.output) + std::ptrdiff_t{batch().start[static_cast<std::size_t>(i)]} * columns;
    for (const PrefixRows& rows : op.prefix) {
      Row all(out, std::ptrdiff_t{rows.rows} * columns);
      all = model.bound(rows.token);
      if (rows.position >= 0) all += positions.segment(std::ptrdiff_t{rows.position} * columns, all.size());
      out += all.size();
    }
    const Eigen::Index size = std::ptrdiff_t{op.patches()} * columns;
    Row(out, size) =
        ConstRow(patches + i * size, size) + positions.segment(std::ptrdiff_t{op.first_position} * columns, size);
  }
}

template <>
void FloatExecutor::Run::execute(const SelectRows& op, const Node& node) {
  const Eigen::Index columns = model.columns(node.inputs[0]);
  const ConstRows tokens(at(node.inputs[0]), batch().rows(), columns);
  Rows out = rows(node.output);
  for (Eigen::Index i = 0; i < out.rows(); ++i) {
    if (op.selection == Selection::chosen) {
      out.row(i) = tokens.row(chosen[static_cast<std::size_t>(i)]);
      continue;
    }
    if (op.selection == Selection::weighted) {
      const Eigen::Index first = batch().start[static_cast<std::size_t>(i)],
                         length = batch().length(static_cast<int>(i));
      const ConstRow scores(at(node.inputs[1]) + first, length);
      const Eigen::ArrayXf weights = (scores - scores.maxCoeff()).exp();
      out.row(i) = (weights.matrix().transpose() * tokens.middleRows(first, length).matrix()).array() / weights.sum();
      continue;
    }
    const auto own = tokens.middleRows(batch().start[static_cast<std::size_t>(i)], batch().length(static_cast<int>(i)));
    const int first = op.selection == Selection::first ? op.count : op.side_by_side() - 1;
    for (int row = 0; row < first; ++row) out.row(i).segment(row * columns, columns) = own.row(row);
    if (op.selection != Selection::first)
      out.row(i).tail(columns) = own.bottomRows(own.rows() - op.count).colwise().mean();
  }
  change(node);
}

}  // namespace octavo
