// Both ends of an image model in integers: patches, and the head over rows of each sequence.
#include "integer/integer_run.h"

namespace octavo {

using namespace kernels;

namespace {

std::size_t head_bytes(int rows, int columns) {
  return static_cast<std::size_t>(round_up(rows, kTileRows)) * static_cast<std::size_t>(columns);
}

}  // namespace

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const EmbedPatches& op,
                                            const QuantizedEmbedPatches& constants) const {
  const int images = run.batch.sequences(), count = images * op.patches();
  const auto rows = static_cast<std::size_t>(round_up(count, kTileRows));
  const ByteMatrix pixels = tile_order(
      run.workspace.get<std::uint8_t>("pixels", rows * static_cast<std::size_t>(constants.depth)), constants.depth);
  auto* patches = run.workspace.get<std::int16_t>("patches", rows * static_cast<std::size_t>(stream_stride));
  for_rows(run.pool, count, constants.depth, [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      table.copy_patch({.pixels = run.batch.pixels[static_cast<std::size_t>(row / op.patches())],
                        .patch_size = op.patch_size,
                        .grid_width = op.grid_width,
                        .patch = row % op.patches(),
                        .out = pixels,
                        .row = row});
    }
  });
  const Product product(data->tensors, name(node), constants.depth);
  for_parts(run.pool, count, constants.block.columns, constants.depth, [&](const Part& part) {
    table.gemm_to_s16(
        product.part(constants.block, pixels.data, part),
        {.zero_point = 0, .out = patches + part.row * stream_stride + part.column, .stride = stream_stride});
  });
  if (op.norm) {
    const LayerNorm norm{.rows = 0,
                         .columns = columns(node),
                         .in = nullptr,
                         .in_stride = stream_stride,
                         .epsilon = constants.epsilon,
                         .u8 = {},
                         .u8_output = {},
                         .s16 = lane(node, ".stream", constants.norm),
                         .s16_output = nullptr,
                         .s16_stride = stream_stride};
    for_rows(run.pool, count, norm.columns, [&](int row, int part_rows) {
      LayerNorm part = norm;
      part.rows = part_rows;
      part.in = part.s16_output = patches + static_cast<std::ptrdiff_t>(row) * stream_stride;
      table.layer_norm(part);
    });
  }
  const int per_image = op.prefix_rows() + op.patches();
  const auto* const embeddings = get<std::int16_t>(node, ".rows");
  for_rows(run.pool, run.rows, columns(node), [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      const int image = row / per_image, of_image = row % per_image, patch = of_image - op.prefix_rows();
      const std::ptrdiff_t first_patch = std::ptrdiff_t{image} * op.patches();
      const std::ptrdiff_t out = run.batch.start[static_cast<std::size_t>(image)] + of_image;
      table.add_patch({.columns = columns(node),
                       .position = embeddings + std::ptrdiff_t{of_image} * columns(node),
                       .patch = patch < 0 ? nullptr : patches + (first_patch + patch) * stream_stride,
                       .low = constants.low,
                       .high = constants.high,
                       .out = run.stream + out * stream_stride});
    }
  });
  return {.stream = run.stream, .stream_stride = stream_stride};
}

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const Head& op,
                                            const QuantizedHead& constants) const {
  const int images = run.batch.sequences(), width = data->graph.columns(node.inputs[0]);
  const int per_image = op.rows_side_by_side();
  const ByteMatrix norm = tile_order(
      run.workspace.get<std::uint8_t>("head.norm", head_bytes(images * per_image, round_up(width, kTileDepth))), width);
  const ByteMatrix input =
      tile_order(run.workspace.get<std::uint8_t>("head.input", head_bytes(images, constants.depth)), constants.depth);
  auto* rows = run.workspace.get<std::int16_t>(
      "head.rows", static_cast<std::size_t>(images * per_image) * static_cast<std::size_t>(width));
  for (int image = 0; image < images; ++image)
    head_rows(run, op, image, width, rows + std::ptrdiff_t{image} * per_image * width);
  table.layer_norm({.rows = images * per_image,
                    .columns = width,
                    .in = rows,
                    .in_stride = width,
                    .epsilon = constants.epsilon,
                    .u8 = lane(node, ".bytes", constants.bytes),
                    .u8_output = norm,
                    .s16 = {},
                    .s16_output = nullptr,
                    .s16_stride = width});
  for (int row = 0; row < images * per_image; ++row) {
    table.copy_u8_row({.from = norm,
                       .row = row,
                       .columns = width,
                       .to = input,
                       .to_row = row / per_image,
                       .first_column = row % per_image * width});
  }
  const int stride = round_up(constants.block.columns, kPanelColumns);
  run.logits = run.workspace.get<std::int32_t>("logits", head_bytes(images, stride));
  const Product product(data->tensors, name(node), constants.depth);
  for_parts(run.pool, images, constants.block.columns, constants.depth, [&](const Part& part) {
    table.gemm_to_s32(product.part(constants.block, input.data, part),
                      {.out = run.logits + std::ptrdiff_t{part.row} * stride + part.column, .stride = stride});
  });
  for (int image = 0; image < images;
       ++image) {  // in place: a row without its padding never lies behind the row with it
    table.scale_s32({.columns = constants.block.columns,
                     .in = run.logits + std::ptrdiff_t{image} * stride,
                     .multiplier = product.multiplier,
                     .shift = constants.block.shift,
                     .out = run.logits + std::ptrdiff_t{image} * constants.block.columns});
  }
  return {};
}

void IntegerExecutor::Impl::head_rows(const IntegerRun& run, const Head& op, int image, int width,
                                      std::int16_t* out) const {
  const std::int16_t* first =
      run.stream + std::ptrdiff_t{run.batch.start[static_cast<std::size_t>(image)]} * stream_stride;
  if (op.pooling == HeadRows::first) {
    for (int row = 0; row < op.rows; ++row)
      std::copy_n(first + row * stream_stride, width, out + std::ptrdiff_t{row} * width);
    return;
  }
  auto* sums = run.workspace.get<std::int32_t>("head.sums", static_cast<std::size_t>(width));
  const int count = run.batch.length(image) - op.rows;
  table.column_sum({.rows = count,
                    .columns = width,
                    .in = first + std::ptrdiff_t{op.rows} * stream_stride,
                    .stride = stream_stride,
                    .out = sums});
  table.divide_sums({.count = count, .columns = width, .sums = sums, .out = out});
}

}  // namespace octavo
