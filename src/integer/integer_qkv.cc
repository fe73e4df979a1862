// The product that attention reads, in integers: queries, keys, values, and the logits of gates.
#include "graph/names.h"
#include "integer/integer_pass.h"

#include <optional>
#include <span>

namespace octavo {

using namespace kernels;

namespace {

class BoundQkv : public BoundOp {
 public:
  BoundQkv(const QkvProduct& op, const QuantizedQkv& constants, Binder& binder);
  NodeCodes run(IntegerPass& pass, RowKind kind) const override;

 private:
  void bind_gate(const QkvProduct& op, const QuantizedQkv& constants, Binder& binder);
  void turn_heads(IntegerPass& pass, const RowBlock& rows) const;
  void make_hidden_units(IntegerPass& pass, const std::uint8_t* a, const RowBlock& rows) const;
  void make_gate_logits(IntegerPass& pass, const Product& product, const QuantizedBlock& block, const std::uint8_t* a,
                        const RowBlock& rows) const;

  Product product_;
  QuantizedBlock query_, key_, value_;
  BufferId input_;
  QkvRows out_ = {};
  int low_;  // of K and V
  // rotary positions
  std::optional<RotateHeads> rotate_ = {};  // without rows, heads, places and codes
  std::optional<QuantizedBytes> rotated_query_, rotated_key_;
  Rows16 plain_ = {};  // scratch: Q, then K, before they are turned
  // the gate
  std::optional<QuantizedBlock> gate_ = {};  // logits, or hidden units
  bool mean_ = false;                        // over the tokens of a sequence
  Product second_ = {};                      // of hidden units
  std::optional<QuantizedBlock> second_block_ = {};
  BufferId hidden_ = -1, accumulators_ = -1;
};

BoundQkv::BoundQkv(const QkvProduct& op, const QuantizedQkv& constants, Binder& binder)
    : product_(binder.product(constants.depth)),
      query_(constants.query),
      key_(constants.key),
      value_(constants.value),
      input_(binder.input(0).u8.buffer),
      low_(constants.asymmetric ? -128 : -127),
      rotated_query_(constants.rotated_query),
      rotated_key_(constants.rotated_key) {
  const int width = round_up(query_.columns, kTileDepth), key_width = round_up(key_.columns, kTileDepth);
  out_ = {.query = binder.need(static_cast<std::size_t>(width)),
          .key = binder.need(static_cast<std::size_t>(key_width)),
          .value = binder.need(static_cast<std::size_t>(key_width)),
          .stride = width,
          .key_stride = key_width,
          .query_encoding = rotated_query_ ? rotated_query_->encoding : query_.encoding,
          .key_encoding = rotated_key_ ? rotated_key_->encoding : key_.encoding,
          .value_encoding = value_.encoding};
  if (!constants.gate.empty()) bind_gate(op, constants, binder);
  if (op.rotary) {
    const int both = width + key_width;
    plain_ = {.buffer = binder.need_scratch(sizeof(std::int16_t) * static_cast<std::size_t>(both)),
              .columns = both,
              .stride = both};
    rotate_ = RotateHeads{.rows = 0,
                          .heads = 0,
                          .head_size = op.head_size,
                          .in = nullptr,
                          .stride = plain_.stride,
                          .cosine = binder.get_of<std::int16_t>(op.rotary->table + part::kCosine),
                          .sine = binder.get_of<std::int16_t>(op.rotary->table + part::kSine),
                          .position = nullptr,
                          .multiplier = 0,
                          .shift = 33,
                          .zero_point = 0,
                          .low = 0,
                          .high = 255,
                          .out = nullptr,
                          .out_stride = 0};
  }
  binder.made().qkv = out_;
}

void BoundQkv::bind_gate(const QkvProduct& op, const QuantizedQkv& constants, Binder& binder) {
  gate_ = constants.gate[0];
  mean_ = op.gate_mean;
  const Rows16 logits = binder.need_rows16(op.gate_kind == GateKind::dense ? op.heads * op.head_size : op.heads);
  out_.gate = logits.buffer;
  out_.gate_stride = logits.stride;
  if (!constants.gate_output.empty()) {
    hidden_ = binder.need_scratch(static_cast<std::size_t>(refined_depth(gate_columns(op), {})));
    second_ = binder.product(constants.gate_output[0].depth, part::kGateOutput);
    second_block_ = constants.gate_output[0].block;
  }
  if (mean_) accumulators_ = binder.need_scratch(sizeof(std::int32_t) * static_cast<std::size_t>(logits.stride));
}

NodeCodes BoundQkv::run(IntegerPass& pass, RowKind kind) const {
  const auto* a = pass.at<std::uint8_t>(input_);
  struct Output {
    const QuantizedBlock& block;
    std::uint8_t* out;
    std::ptrdiff_t stride;
    int low, high;
    std::ptrdiff_t plain;  // its first column before it is turned
  };
  const Output outputs[] = {{query_, pass.at<std::uint8_t>(out_.query), out_.stride, 0, 255, 0},
                            {key_, pass.at<std::uint8_t>(out_.key), out_.key_stride, low_, 127, out_.stride},
                            {value_, pass.at<std::uint8_t>(out_.value), out_.key_stride, low_, 127, -1}};
  const RowBlock rows = pass.block_of(kind);
  const auto multiply = [&](const Output& to, const Part& part) {
    if (rotate_ && to.plain >= 0) {
      std::int16_t* plain = pass.rows_at(plain_, part.row) + to.plain + part.column;
      pass.table().gemm_to_s16(product_.part(to.block, a, part),
                               {.zero_point = 0, .out = plain, .stride = plain_.stride});
      return;
    }
    pass.table().gemm_to_u8(product_.part(to.block, a, part),
                            {.zero_point = to.block.encoding.zero_point,
                             .low = to.low,
                             .high = to.high,
                             .out = at(row_major(to.out, to.stride), part.row, part.column)});
  };
  const auto multiply_all = [&](std::span<const Output> of_one_width) {
    pass.for_parts(
        rows, of_one_width[0].block.columns, product_.depth,
        [&](const Part& part) { multiply(of_one_width[static_cast<std::size_t>(part.product)], part); },
        static_cast<int>(of_one_width.size()));
  };
  if (key_.columns == query_.columns) {
    multiply_all(outputs);
  } else {
    multiply_all(std::span(outputs).first(1));
    multiply_all(std::span(outputs).last(2));
  }
  if (rotate_) turn_heads(pass, rows);
  if (second_block_) {
    make_hidden_units(pass, a, rows);
    make_gate_logits(pass, second_, *second_block_, pass.at<std::uint8_t>(hidden_), rows);
  } else if (gate_) {
    make_gate_logits(pass, product_, *gate_, a, rows);
  }
  return {.query = outputs[0].out,
          .key = reinterpret_cast<const std::int8_t*>(outputs[1].out),
          .value = reinterpret_cast<const std::int8_t*>(outputs[2].out),
          .query_stride = out_.stride,
          .key_stride = out_.key_stride,
          .gate = pass.at<std::int16_t>(out_.gate),
          .gate_stride = out_.gate_stride};
}

/// Rotary positions of Q and K.
void BoundQkv::turn_heads(IntegerPass& pass, const RowBlock& rows) const {
  pass.for_rows(rows, plain_.columns, [&](int row, int count) {
    RotateHeads heads = *rotate_;
    heads.rows = count;
    heads.position = pass.batch().positions.data() + row;
    const auto turn = [&](const QuantizedBlock& block, const QuantizedBytes& to, int low, int high, BufferId out,
                          std::ptrdiff_t stride, std::ptrdiff_t column) {
      heads.heads = block.columns / heads.head_size;
      heads.in = pass.rows_at(plain_, row) + column;
      heads.multiplier = to.multiplier;
      heads.shift = to.shift;
      heads.zero_point = to.encoding.zero_point;
      heads.low = low;
      heads.high = high;
      heads.out = pass.at<std::uint8_t>(out) + row * stride;
      heads.out_stride = stride;
      pass.table().rotate_heads(heads);
    };
    turn(query_, *rotated_query_, 0, 255, out_.query, out_.stride, 0);
    turn(key_, *rotated_key_, low_, 127, out_.key, out_.key_stride, out_.stride);
  });
}

/// First product of an mlp gate: ReLU is the clamp at zero.
void BoundQkv::make_hidden_units(IntegerPass& pass, const std::uint8_t* a, const RowBlock& rows) const {
  const ByteMatrix out = tile_order(pass.at<std::uint8_t>(hidden_), second_.depth);
  pass.for_parts(rows, gate_->columns, product_.depth, [&](const Part& part) {
    pass.table().gemm_to_u8(product_.part(*gate_, a, part),
                            {.zero_point = 0, .low = 0, .high = 255, .out = at(out, part.row, part.column)});
  });
}

/// A row of logits per token, or per sequence where the gate takes their mean.
void BoundQkv::make_gate_logits(IntegerPass& pass, const Product& product, const QuantizedBlock& block,
                                const std::uint8_t* a, const RowBlock& rows) const {
  const RaggedBatch& batch = pass.batch();
  const std::ptrdiff_t stride = out_.gate_stride;
  auto* logits = pass.at<std::int16_t>(out_.gate);
  auto* sums = pass.at<std::int32_t>(accumulators_);
  pass.for_parts(rows, block.columns, product.depth, [&](const Part& part) {
    const std::ptrdiff_t first = part.row * stride + part.column;
    const Gemm gemm = product.part(block, a, part);
    if (mean_)
      pass.table().gemm_to_s32(gemm, {.out = sums + first, .stride = stride});
    else
      pass.table().gemm_to_s16(gemm, {.zero_point = 0, .out = logits + first, .stride = stride});
  });
  if (!mean_) return;
  for (int sequence = 0; sequence < batch.sequences(); ++sequence) {
    pass.table().mean_gate_logits({.rows = batch.length(sequence),
                                   .heads = block.columns,
                                   .in = sums + batch.start[static_cast<std::size_t>(sequence)] * stride,
                                   .stride = stride,
                                   .multiplier = product.multiplier + block.first_column,
                                   .shift = block.shift,
                                   .out = logits + sequence * stride});
  }
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const QkvProduct& op, const QuantizedQkv& constants, Binder& binder) {
  return std::make_unique<const BoundQkv>(op, constants, binder);
}

}  // namespace octavo
