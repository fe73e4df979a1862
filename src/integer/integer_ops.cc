// Ops on rows of tokens in integers: embeddings, sums of the residual stream, LayerNorm.
#include "integer/integer_pass.h"

#include <utility>

namespace octavo {

using namespace kernels;

NodeCodes IntegerPass::execute(const BoundEmbedTokens& op, RowKind kind) {
  const ByteMatrix bytes = op.bytes ? bytes_at(op.bytes_out) : ByteMatrix{};
  const std::int32_t* indices[] = {batch_.ids.data(), batch_.positions.data(), batch_.types.data(), nullptr};
  if (op.words_fine >= 0) indices[op.words_fine] = batch_.ids.data();
  for_rows(block_of(kind), op.sum.columns, [&](int row, int rows) {
    EmbeddingSum part = op.sum;
    part.rows = rows;
    part.out = rows_at(op.out, row);
    for (int t = 0; t < part.tables; ++t) part.table[t].index = indices[t] + row;
    if (op.paper)
      table_.embedding_sum_static_w8a8(part, *op.paper);
    else
      table_.embedding_sum(part);
    if (!op.bytes) return;
    table_.requantize_s16({.rows = rows,
                           .columns = part.columns,
                           .in = part.out,
                           .stride = op.out.stride,
                           .multiplier = op.bytes->multiplier,
                           .shift = op.bytes->shift,
                           .zero_point = op.bytes->encoding.zero_point,
                           .out = at(bytes, row, 0)});
  });
  return {.stream = rows_at(op.out), .stream_stride = op.out.stride, .bytes = bytes};
}

NodeCodes IntegerPass::execute(const BoundLinearAdd& op, RowKind kind) {
  const auto* a = at_slot<std::uint8_t>(op.input);
  const RowBlock block = block_of(kind);
  if (op.residual.slot != op.out.slot) {
    for_rows(block, op.out.columns, [&](int row, int rows) {
      std::copy_n(rows_at(op.residual, row), rows * op.out.stride, rows_at(op.out, row));
    });
  }
  if (op.stream_shift > 0) {
    for_rows(block, op.out.columns, [&](int row, int rows) {
      table_.shift_s16({.rows = rows,
                        .columns = op.out.columns,
                        .data = rows_at(op.out, row),
                        .stride = op.out.stride,
                        .shift = op.stream_shift});
    });
  }
  for_parts(block, op.block.columns, op.product.depth, [&](const Part& part) {
    std::int16_t* stream = rows_at(op.out, part.row) + part.column;
    if (!op.eight_bit) {
      table_.gemm_add_to_s16(op.product.part(op.block, a, part), {.stream = stream, .stride = op.out.stride});
      return;
    }
    AddToU8 add = *op.eight_bit;
    add.stream = stream;
    table_.gemm_add_to_u8(op.product.part(op.block, a, part), add);
  });
  return {.stream = rows_at(op.out), .stream_stride = op.out.stride};
}

NodeCodes IntegerPass::execute(const BoundLayerNorm& op, RowKind kind) {
  const bool has_bytes = op.out8.slot >= 0, has_stream = op.out16.slot >= 0;
  NodeCodes codes = has_bytes ? codes_of(op.out8) : NodeCodes{};
  if (has_stream) codes.stream = rows_at(op.out16);
  codes.stream_stride = op.in.stride;
  for_rows(block_of(kind), op.in.columns, [&](int row, int rows) {
    if (op.groups > 1) {
      normalize_groups(op, row, rows);
      return;
    }
    LayerNorm part = op.norm;
    part.rows = rows;
    part.in = rows_at(op.in, row);
    if (has_stream) part.s16_output = rows_at(op.out16, row);
    if (has_bytes) part.u8_output = at(codes.bytes, row, 0);
    if (op.eleven_bits >= 0) {
      LayerNorm eleven_bits = part;  // first: the stream may be written in place
      eleven_bits.s16 = std::exchange(part.u8, {});
      eleven_bits.u8 = {};
      eleven_bits.s16_output = at_slot<std::int16_t>(op.eleven_bits) + row * op.in.stride;
      table_.layer_norm(eleven_bits);
      table_.split_u11({.rows = rows,
                        .columns = part.columns,
                        .in = eleven_bits.s16_output,
                        .stride = op.in.stride,
                        .out = at(codes.bytes, row, 0),
                        .fine = at(codes.fine, row, 0)});
    }
    if (part.u8.gain || part.s16.gain) table_.layer_norm(part);
    if (op.out8.refined.coarse) table_.shift_tiles(coarse_tiles(codes.bytes, part.columns, op.out8.refined, row, rows));
  });
  return codes;
}

/// A row is as many rows of a group each; their bytes are put together.
void IntegerPass::normalize_groups(const BoundLayerNorm& op, int row, int rows) const {
  const int width = op.norm.columns, depth = refined_depth(width, {});
  for (int i = row; i < row + rows; ++i) {
    LayerNorm groups = op.norm;
    groups.rows = op.groups;
    groups.in = rows_at(op.in, i);
    groups.in_stride = groups.s16_stride = width;
    if (op.out16.slot >= 0) groups.s16_output = rows_at(op.out16, i);
    if (op.slices >= 0) {
      auto* own = at_slot<std::uint8_t>(op.slices) + std::ptrdiff_t{i} * op.groups * depth;
      groups.u8_output = row_major(own, depth);
    }
    table_.layer_norm(groups);
    for (int group = 0; op.slices >= 0 && group < op.groups; ++group)
      table_.copy_u8_row({.from = groups.u8_output,
                          .row = group,
                          .columns = width,
                          .to = bytes_at(op.out8),
                          .to_row = i,
                          .first_column = group * width});
  }
}

}  // namespace octavo
