// Both ends of an image model in float32: patches, and the head over rows of each sequence.
#include "float/float_run.h"

namespace octavo {
namespace {

/// The patches of one image, each in the order [3, patch_size, patch_size].
void normalised_patches(const EmbedPatches& op, const std::uint8_t* image, float* out) {
  const int size = op.patch_size, stride = 3 * size * op.grid_width;
  for (int patch = 0; patch < op.patches(); ++patch) {
    const std::uint8_t* first =
        image + std::ptrdiff_t{patch / op.grid_width * size} * stride + patch % op.grid_width * size * 3;
    for (std::size_t channel = 0; channel < 3; ++channel) {
      const auto mean = static_cast<float>(op.mean[channel]), deviation = static_cast<float>(op.deviation[channel]);
      for (int y = 0; y < size; ++y) {
        for (int x = 0; x < size; ++x) {
          const float value = static_cast<float>(first[std::ptrdiff_t{y} * stride + 3 * x + static_cast<int>(channel)]);
          *out++ = (value / 255.0f - mean) / deviation;
        }
      }
    }
  }
}

}  // namespace

void FloatExecutor::Run::execute(const EmbedPatches& op, const Node& node) {
  const int columns = op.projection.columns, inputs = 3 * op.patch_size * op.patch_size,
            count = batch.sequences() * op.patches();
  auto* pixels = workspace.get<float>("float.pixels", padded_rows(count) * static_cast<std::size_t>(inputs));
  auto* patches = workspace.get<float>("float.patches", padded_rows(count) * static_cast<std::size_t>(columns));
  for (int i = 0; i < batch.sequences(); ++i)
    normalised_patches(op, batch.pixels[static_cast<std::size_t>(i)],
                       pixels + std::ptrdiff_t{i} * op.patches() * inputs);
  model.products.of(node)->run(workspace.pool, count, pixels, patches);
  if (op.norm) {
    observe(model.name(node.output) + ".product", patches, count, columns);
    normalise(*op.norm, patches, patches, count, columns);
  }
  const ConstRow positions = model.bound(op.position);
  for (int i = 0; i < batch.sequences(); ++i) {
    float* out = at(node.output) + std::ptrdiff_t{batch.start[static_cast<std::size_t>(i)]} * columns;
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

void FloatExecutor::Run::execute(const Head& op, const Node& node) {
  const int columns = model.columns(node.inputs[0]), inputs = columns * op.rows_side_by_side();
  auto* in = workspace.get<float>("float.head", padded_rows(batch.sequences()) * static_cast<std::size_t>(inputs));
  for (int i = 0; i < batch.sequences(); ++i) {
    const ConstRows rows(at(node.inputs[0]) + std::ptrdiff_t{batch.start[static_cast<std::size_t>(i)]} * columns,
                         batch.length(i), columns);
    Row own(in + std::ptrdiff_t{i} * inputs, inputs);
    if (op.pooling == HeadRows::first)
      own = ConstRow(rows.data(), inputs);
    else
      own = rows.bottomRows(rows.rows() - op.rows).colwise().mean().transpose();
  }
  const int normalised = batch.sequences() * (inputs / columns);
  normalise(op.norm, in, in, normalised, columns);
  observe(model.name(node.output) + ".input", in, normalised, columns);
  // A slot has room for batch.rows() rows, of which a head uses one per sequence.
  model.products.of(node)->run(workspace.pool, batch.sequences(), in, at(node.output));
}

}  // namespace octavo
