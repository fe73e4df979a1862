// Ops on rows of tokens in integers: embeddings, linear layers, LayerNorm.
#include "integer/integer_run.h"

#include <utility>

namespace octavo {

using namespace kernels;

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const EmbedTokens& op,
                                            const QuantizedEmbedTokens& constants) const {
  EmbeddingSum sum{.rows = 0,
                   .columns = columns(node),
                   .tables = op.type.empty() ? 2 : 3,
                   .table = {},
                   .out = nullptr,
                   .stride = stream_stride};
  sum.table[0] = {get<std::int8_t>(node, ".word"), get<std::int32_t>(node, ".word_multiplier"), run.batch.ids.data()};
  if (constants.fine_words) {
    sum.table[sum.tables == 2 ? 2 : 3] = {get<std::int8_t>(node, ".word_fine"),
                                          get<std::int32_t>(node, ".word_fine_multiplier"), run.batch.ids.data()};
  }
  sum.table[1] = {get<std::int8_t>(node, ".position"), get<std::int32_t>(node, ".position_multiplier"),
                  run.batch.positions.data()};
  if (!op.type.empty()) {
    sum.table[2] = {get<std::int8_t>(node, ".type"), get<std::int32_t>(node, ".type_multiplier"),
                    run.batch.types.data()};
  }
  if (constants.fine_words) ++sum.tables;
  const Encoding partial = constants.partial.value_or(Encoding{});
  const StaticW8A8EmbeddingSum paper{.partial_low = -partial.zero_point,
                                     .partial_high = 255 - partial.zero_point,
                                     .partial_multiplier = constants.partial_multiplier,
                                     .low = -constants.sum.zero_point,
                                     .high = 255 - constants.sum.zero_point};
  const ByteMatrix bytes = tile_order(run.norm, sum.columns);
  for_rows(run.pool, run.rows, sum.columns, [&](int row, int rows) {
    EmbeddingSum part = sum;
    part.rows = rows;
    part.out = run.stream + static_cast<std::ptrdiff_t>(row) * stream_stride;
    for (int t = 0; t < sum.tables; ++t) part.table[t].index += row;
    if (constants.partial)
      table.embedding_sum_static_w8a8(part, paper);
    else
      table.embedding_sum(part);
    if (!constants.bytes) return;
    table.requantize_s16({.rows = rows,
                          .columns = sum.columns,
                          .in = part.out,
                          .stride = stream_stride,
                          .multiplier = constants.bytes->multiplier,
                          .shift = constants.bytes->shift,
                          .zero_point = constants.bytes->encoding.zero_point,
                          .out = at(bytes, row, 0)});
  });
  return {.stream = run.stream, .stream_stride = stream_stride, .bytes = constants.bytes ? bytes : ByteMatrix{}};
}

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const Linear& op,
                                            const QuantizedLinear& constants) const {
  const Product product(data->tensors, name(node), constants.depth);
  const std::uint8_t* a = input(run, node);
  const QuantizedBlock& block = constants.block;
  const Refined& refined = constants.refined;
  const ByteMatrix out = tile_order(run.hidden, block.columns, refined), fine = fine_codes(out, block.columns);
  if (constants.pieces) {
    const Gelu gelu{.fraction_bits = constants.gelu_fraction_bits,
                    .limit = static_cast<std::uint16_t>(constants.gelu_limit),
                    .normalize = constants.gelu_normalize,
                    .inverse = static_cast<std::uint16_t>(constants.gelu_inverse),
                    .base = get<std::int16_t>(node, ".gelu_base"),
                    .slope = get<std::int16_t>(node, ".gelu_slope"),
                    .offset = get<std::int16_t>(node, ".gelu_offset"),
                    .out = out,
                    .fine_bits = refined.fine_bits,
                    .fine = fine};
    for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
      Gelu own = gelu;
      own.offset += part.column;
      own.out = at(out, part.row, part.column);
      own.fine = at(fine, part.row, part.column);
      table.gemm_gelu(product.part(block, a, part), own);
    });
  } else {
    const int zero_point = block.encoding.zero_point, low = op.activation == Activation::relu ? zero_point : 0;
    for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
      table.gemm_to_u8(product.part(block, a, part),
                       {.zero_point = zero_point, .low = low, .high = 255, .out = at(out, part.row, part.column)});
    });
  }
  write_coarse(run, out, block.columns, refined);
  return {.bytes = out, .fine = refined.fine_bits > 0 ? fine : ByteMatrix{}};
}

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const LinearAdd&,
                                            const QuantizedLinearAdd& constants) const {
  const Product product(data->tensors, name(node), constants.depth);
  const std::uint8_t* a = input(run, node);
  const QuantizedBlock& block = constants.block;
  if (constants.stream_shift > 0) {
    for_rows(run.pool, run.rows, block.columns, [&](int row, int rows) {
      table.shift_s16({.rows = rows,
                       .columns = block.columns,
                       .data = run.stream + row * stream_stride,
                       .stride = stream_stride,
                       .shift = constants.stream_shift});
    });
  }
  for_parts(run.pool, run.rows, block.columns, constants.depth, [&](const Part& part) {
    std::int16_t* stream = run.stream + part.row * stream_stride + part.column;
    if (!constants.eight_bit) {
      table.gemm_add_to_s16(product.part(block, a, part), {.stream = stream, .stride = stream_stride});
      return;
    }
    const int zero_point = block.encoding.zero_point;
    table.gemm_add_to_u8(product.part(block, a, part), {.zero_point = constants.product.zero_point,
                                                        .product_multiplier = constants.product_multiplier,
                                                        .stream_multiplier = constants.stream_multiplier,
                                                        .low = -zero_point,
                                                        .high = 255 - zero_point,
                                                        .stream = stream,
                                                        .stride = stream_stride});
  });
  return {.stream = run.stream, .stream_stride = stream_stride};
}

NormConstants IntegerExecutor::Impl::lane(const Node& node, const char* part, const QuantizedLane& constants) const {
  if (!constants.exists) return {};
  const std::string prefix = name(node) + part;
  return {.gain = tensor(data->tensors, prefix + ".gain").as<std::int32_t>().data(),
          .offset = tensor(data->tensors, prefix + ".offset").as<std::int32_t>().data(),
          .shift = constants.shift,
          .low = constants.low,
          .high = constants.high};
}

NodeCodes IntegerExecutor::Impl::operator()(IntegerRun& run, const Node& node, const LayerNormOp&,
                                            const QuantizedLayerNorm& constants) const {
  const Refined& refined = constants.refined;
  const ByteMatrix bytes = tile_order(run.norm, columns(node), refined), fine = fine_codes(bytes, columns(node));
  const LayerNorm norm{.rows = 0,
                       .columns = columns(node),
                       .in = nullptr,
                       .in_stride = stream_stride,
                       .epsilon = constants.epsilon,
                       .u8 = lane(node, ".bytes", constants.bytes),
                       .u8_output = bytes,
                       .s16 = lane(node, ".stream", constants.stream),
                       .s16_output = nullptr,
                       .s16_stride = stream_stride};
  for_rows(run.pool, run.rows, norm.columns, [&](int row, int rows) {
    LayerNorm part = norm;
    part.rows = rows;
    part.in = part.s16_output = run.stream + static_cast<std::ptrdiff_t>(row) * stream_stride;
    part.u8_output = at(bytes, row, 0);
    if (refined.fine_bits > 0) {
      LayerNorm eleven_bits = part;  // first: the stream's lane is written in place
      eleven_bits.s16 = std::exchange(part.u8, {});
      eleven_bits.u8 = {};
      eleven_bits.s16_output = run.eleven_bits + static_cast<std::ptrdiff_t>(row) * stream_stride;
      table.layer_norm(eleven_bits);
      table.split_u11({.rows = rows,
                       .columns = norm.columns,
                       .in = eleven_bits.s16_output,
                       .stride = stream_stride,
                       .out = at(bytes, row, 0),
                       .fine = at(fine, row, 0)});
    }
    if (part.u8.gain || part.s16.gain) table.layer_norm(part);
    if (refined.coarse) table.shift_tiles(coarse_tiles(bytes, norm.columns, refined, row, rows));
  });
  return {.stream = constants.stream.exists ? run.stream : nullptr,
          .stream_stride = stream_stride,
          .bytes = constants.bytes.exists ? bytes : ByteMatrix{},
          .fine = refined.fine_bits > 0 ? fine : ByteMatrix{}};
}

}  // namespace octavo
