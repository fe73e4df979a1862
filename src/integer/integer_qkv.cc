// The product that attention reads, in integers: queries, keys, values, and the logits of gates.
#include "integer/integer_pass.h"

namespace octavo {

using namespace kernels;

NodeCodes IntegerPass::execute(const BoundQkv& op, RowKind kind) {
  const auto* a = at_slot<std::uint8_t>(op.input);
  struct Output {
    const QuantizedBlock& block;
    std::uint8_t* out;
    int low, high;
  };
  const Output outputs[] = {{op.query, at_slot<std::uint8_t>(op.query_out), 0, 255},
                            {op.key, at_slot<std::uint8_t>(op.key_out), op.low, 127},
                            {op.value, at_slot<std::uint8_t>(op.value_out), op.low, 127}};
  const RowBlock rows = block_of(kind);
  for_parts(
      rows, op.width, op.product.depth,
      [&](const Part& part) {
        const Output& to = outputs[part.product];
        table_.gemm_to_u8(op.product.part(to.block, a, part),
                          {.zero_point = to.block.encoding.zero_point,
                           .low = to.low,
                           .high = to.high,
                           .out = at(row_major(to.out, op.stride), part.row, part.column)});
      },
      3);
  if (op.second_block) {
    make_hidden_units(op, a, rows);
    make_gate_logits(op, op.second, *op.second_block, at_slot<std::uint8_t>(op.hidden), rows);
  } else if (op.gate) {
    make_gate_logits(op, op.product, *op.gate, a, rows);
  }
  return {.query = outputs[0].out,
          .key = reinterpret_cast<const std::int8_t*>(outputs[1].out),
          .value = reinterpret_cast<const std::int8_t*>(outputs[2].out),
          .qkv_stride = op.stride,
          .gate = at_slot<std::int16_t>(op.gate_out),
          .gate_stride = op.gate_stride};
}

/// First product of an mlp gate: ReLU is the clamp at zero.
void IntegerPass::make_hidden_units(const BoundQkv& op, const std::uint8_t* a, const RowBlock& rows) {
  const ByteMatrix out = tile_order(at_slot<std::uint8_t>(op.hidden), op.second.depth);
  for_parts(rows, op.gate->columns, op.product.depth, [&](const Part& part) {
    table_.gemm_to_u8(op.product.part(*op.gate, a, part),
                      {.zero_point = 0, .low = 0, .high = 255, .out = at(out, part.row, part.column)});
  });
}

/// A row of logits per token, or per sequence where the gate takes their mean.
void IntegerPass::make_gate_logits(const BoundQkv& op, const Product& product, const QuantizedBlock& block,
                                   const std::uint8_t* a, const RowBlock& rows) {
  auto* logits = at_slot<std::int16_t>(op.gate_out);
  auto* sums = at_slot<std::int32_t>(op.accumulators);
  for_parts(rows, block.columns, product.depth, [&](const Part& part) {
    const std::ptrdiff_t first = part.row * op.gate_stride + part.column;
    const Gemm gemm = product.part(block, a, part);
    if (op.mean)
      table_.gemm_to_s32(gemm, {.out = sums + first, .stride = op.gate_stride});
    else
      table_.gemm_to_s16(gemm, {.zero_point = 0, .out = logits + first, .stride = op.gate_stride});
  });
  if (!op.mean) return;
  for (int sequence = 0; sequence < batch_.sequences(); ++sequence) {
    table_.mean_gate_logits({.rows = batch_.length(sequence),
                             .heads = block.columns,
                             .in = sums + batch_.start[static_cast<std::size_t>(sequence)] * op.gate_stride,
                             .stride = op.gate_stride,
                             .multiplier = product.multiplier + block.first_column,
                             .shift = block.shift,
                             .out = logits + sequence * op.gate_stride});
  }
}

}  // namespace octavo
