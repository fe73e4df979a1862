// Where a network begins with patches, and where its heads begin with rows of tokens, in integers.
#include "integer/integer_pass.h"

namespace octavo {

using namespace kernels;

NodeCodes IntegerPass::execute(const BoundEmbedPatches& bound, RowKind kind) {
  const EmbedPatches& op = bound.op;
  const int images = batch_.sequences(), count = images * op.patches(), columns = bound.out.columns;
  const std::ptrdiff_t stride = bound.out.stride;
  const RowBlock all{.first = 0, .count = count};
  const auto rows = static_cast<std::size_t>(round_up(count, kTileRows));
  const ByteMatrix pixels =
      tile_order(workspace_.get<std::uint8_t>("pixels", rows * static_cast<std::size_t>(bound.product.depth)),
                 bound.product.depth);
  auto* patches = workspace_.get<std::int16_t>("patches", rows * static_cast<std::size_t>(stride));
  for_rows(all, bound.product.depth, [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      table_.copy_patch({.pixels = batch_.pixels[static_cast<std::size_t>(row / op.patches())],
                         .patch_size = op.patch_size,
                         .grid_width = op.grid_width,
                         .patch = row % op.patches(),
                         .out = pixels,
                         .row = row});
    }
  });
  for_parts(all, bound.block.columns, bound.product.depth, [&](const Part& part) {
    table_.gemm_to_s16(bound.product.part(bound.block, pixels.data, part),
                       {.zero_point = 0, .out = patches + part.row * stride + part.column, .stride = stride});
  });
  if (bound.norm) {
    for_rows(all, columns, [&](int row, int part_rows) {
      LayerNorm part = *bound.norm;
      part.rows = part_rows;
      part.in = part.s16_output = patches + row * stride;
      table_.layer_norm(part);
    });
  }
  const int per_image = op.prefix_rows() + op.patches();
  for_rows(block_of(kind), columns, [&](int first, int part_rows) {
    for (int row = first; row < first + part_rows; ++row) {
      const int image = row / per_image, of_image = row % per_image, patch = of_image - op.prefix_rows();
      const std::ptrdiff_t first_patch = std::ptrdiff_t{image} * op.patches();
      table_.add_patch({.columns = columns,
                        .position = bound.rows + std::ptrdiff_t{of_image} * columns,
                        .patch = patch < 0 ? nullptr : patches + (first_patch + patch) * stride,
                        .low = bound.low,
                        .high = bound.high,
                        .out = rows_at(bound.out, batch_.start[static_cast<std::size_t>(image)] + of_image)});
    }
  });
  return {.stream = rows_at(bound.out), .stream_stride = stride};
}

NodeCodes IntegerPass::execute(const BoundSelectRows& bound, RowKind kind) {
  const int rows = rows_of(kind);
  for (int i = 0; i < rows; ++i) {
    if (bound.op.selection == Selection::chosen)
      std::copy_n(rows_at(bound.in, chosen_[static_cast<std::size_t>(i)]), bound.in.columns, rows_at(bound.out, i));
    else
      select_sequence(bound, i);
  }
  return {.stream = rows_at(bound.out), .stream_stride = bound.out.stride};
}

void IntegerPass::select_sequence(const BoundSelectRows& bound, int sequence) {
  const int first = batch_.start[static_cast<std::size_t>(sequence)], width = bound.in.columns, skip = bound.op.count;
  std::int16_t* out = rows_at(bound.out, sequence);
  if (bound.op.selection == Selection::first) {
    for (int row = 0; row < bound.op.count; ++row)
      std::copy_n(rows_at(bound.in, first + row), width, out + std::ptrdiff_t{row} * width);
    return;
  }
  auto* sums = at_slot<std::int32_t>(bound.sums) + std::ptrdiff_t{sequence} * width;
  const int count = batch_.length(sequence) - skip;
  table_.column_sum(
      {.rows = count, .columns = width, .in = rows_at(bound.in, first + skip), .stride = bound.in.stride, .out = sums});
  table_.divide_sums({.count = count, .columns = width, .sums = sums, .out = out});
}

}  // namespace octavo
