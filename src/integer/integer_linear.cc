// Linear layers in integers: bytes to bytes in the body of a network; 16-bit rows and logits in its heads.
#include "integer/integer_pass.h"

namespace octavo {

using namespace kernels;

NodeCodes IntegerPass::execute(const BoundLinear& op, RowKind kind) {
  if (op.reads == Form::u8) {
    const auto* a = at_slot<std::uint8_t>(op.input);
    if (op.makes != Form::u8) return make_rows(op, a, rows_of(kind));
    const RowBlock block = block_of(kind);
    NodeCodes codes = make_bytes(op, a, block);
    write_coarse(op.out, block);
    return codes;
  }
  const int rows = rows_of(kind);
  return make_rows(op, bytes_of_rows(op, rows), rows);
}

NodeCodes IntegerPass::make_bytes(const BoundLinear& op, const std::uint8_t* a, const RowBlock& block) {
  const NodeCodes codes = codes_of(op.out);
  const int zero_point = op.block.encoding.zero_point, low = op.relu ? zero_point : 0;
  for_parts(block, op.block.columns, op.product.depth, [&](const Part& part) {
    if (op.gelu) {
      Gelu own = *op.gelu;
      own.offset += part.column;
      own.out = at(codes.bytes, part.row, part.column);
      if (codes.fine.data) own.fine = at(codes.fine, part.row, part.column);
      table_.gemm_gelu(op.product.part(op.block, a, part), own);
    } else {
      table_.gemm_to_u8(
          op.product.part(op.block, a, part),
          {.zero_point = zero_point, .low = low, .high = 255, .out = at(codes.bytes, part.row, part.column)});
    }
  });
  return codes;
}

/// 16-bit rows as the product reads them: u8 codes, or each as two rows of u8 codes.
const std::uint8_t* IntegerPass::bytes_of_rows(const BoundLinear& op, int rows) {
  auto* data = at_slot<std::uint8_t>(op.bytes);
  const ByteMatrix bytes = tile_order(data, op.product.depth);
  for_rows({.first = 0, .count = rows}, op.rows.columns, [&](int row, int count) {
    if (op.to_bytes) {
      table_.requantize_s16({.rows = count,
                             .columns = op.rows.columns,
                             .in = rows_at(op.rows, row),
                             .stride = op.rows.stride,
                             .multiplier = op.to_bytes->multiplier,
                             .shift = op.to_bytes->shift,
                             .zero_point = op.to_bytes->encoding.zero_point,
                             .out = at(bytes, row, 0)});
    } else {
      table_.split_s16({.rows = count,
                        .columns = op.rows.columns,
                        .in = rows_at(op.rows, row),
                        .stride = op.rows.stride,
                        .out = at(bytes, 2 * row, 0)});
    }
  });
  return data;
}

/// Sums part by part, and what becomes of a part while it is in the cache: 16-bit codes, activated, or logits.
NodeCodes IntegerPass::make_rows(const BoundLinear& op, const std::uint8_t* a, int rows) {
  const bool split = op.reads == Form::s16 && !op.to_bytes;
  const int product_rows = split ? 2 * rows : rows;
  auto* sums = at_slot<std::int32_t>(op.accumulators);
  auto* logits = at_slot<std::int32_t>(op.out32);
  const auto logits_at = [&](int row, int column) { return logits + std::ptrdiff_t{row} * op.block.columns + column; };
  for_parts({.first = 0, .count = product_rows}, op.block.columns, op.product.depth, [&](const Part& part) {
    const Gemm gemm = op.product.part(op.block, a, part);
    std::int32_t* first = sums + part.row * op.accumulator_stride + part.column;
    table_.gemm_to_s32(gemm, {.out = first, .stride = op.accumulator_stride});
    const int columns = std::min(part.columns, op.block.columns - part.column);
    const std::int32_t* multiplier = op.product.multiplier + op.block.first_column + part.column;
    for (int row = 0; row < part.rows; row += split ? 2 : 1) {
      const int to = (part.row + row) / (split ? 2 : 1);
      const std::int32_t* own = first + row * op.accumulator_stride;
      const JoinedRow pair{.columns = columns,
                           .high = own,
                           .low = own + op.accumulator_stride,
                           .multiplier = multiplier,
                           .shift = op.block.shift};
      if (op.makes == Form::s16) {
        std::int16_t* out = rows_at(op.out16, to) + part.column;
        table_.join_to_s16(pair, out);
        if (op.activation) table_.activate_s16({.columns = columns, .in = out, .table = op.activation, .out = out});
      } else if (split) {
        table_.join_to_s32(pair, logits_at(to, part.column));
      } else {
        table_.scale_s32({.columns = columns,
                          .in = own,
                          .multiplier = multiplier,
                          .shift = op.block.shift,
                          .out = logits_at(to, part.column)});
      }
    }
  });
  if (op.makes == Form::s32) return {.logits = logits};
  return {.stream = rows_at(op.out16), .stream_stride = op.out16.stride};
}

}  // namespace octavo
