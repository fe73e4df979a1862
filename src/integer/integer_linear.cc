// Linear layers in integers: bytes to bytes in the body of a network; 16-bit rows and logits in its heads.
#include "graph/names.h"
#include "integer/integer_pass.h"

#include <optional>

namespace octavo {

using namespace kernels;

namespace {

/// Some 16-bit rows as u8 codes.
void requantize(IntegerPass& pass, const Rows16& rows, const QuantizedBytes& to, int row, int count,
                const ByteMatrix& bytes) {
  pass.table().requantize_s16({.rows = count,
                               .columns = rows.columns,
                               .in = pass.rows_at(rows, row),
                               .stride = rows.stride,
                               .multiplier = to.multiplier,
                               .shift = to.shift,
                               .zero_point = to.encoding.zero_point,
                               .out = at(bytes, row, 0)});
}

class BoundLinear : public BoundOp {
 public:
  BoundLinear(const Linear& op, const QuantizedLinear& constants, Binder& binder);

  NodeCodes run(IntegerPass& pass, RowKind kind) const override {
    if (reads_ == Form::s16) {
      const int rows = pass.rows_of(kind);
      return make_rows(pass, bytes_of_rows(pass, rows), rows);
    }
    const auto* a = pass.at<std::uint8_t>(input_);
    if (makes_ != Form::u8) return make_rows(pass, a, pass.rows_of(kind));
    const RowBlock block = pass.block_of(kind);
    NodeCodes codes = make_bytes(pass, a, block);
    pass.write_coarse(out_.u8, block);
    return codes;
  }

 private:
  NodeCodes make_bytes(IntegerPass& pass, const std::uint8_t* a, const RowBlock& block) const;
  NodeCodes make_rows(IntegerPass& pass, const std::uint8_t* a, int rows) const;
  const std::uint8_t* bytes_of_rows(IntegerPass& pass, int rows) const;
  /// Each 16-bit row is multiplied as two rows of bytes.
  bool split() const { return reads_ == Form::s16 && !to_bytes_; }

  Product product_;
  QuantizedBlock block_;
  Form reads_, makes_;
  BufferId input_;
  Rows16 rows_ = {};  // what is read, where it is 16 bits
  ValueBuffers out_ = {};
  // bytes
  bool relu_;
  std::optional<Gelu> gelu_ = {};  // without places to write to
  // heads
  BufferId bytes_ = -1, accumulators_ = -1;  // scratch: 16-bit rows as u8 codes, and sums
  std::ptrdiff_t accumulator_stride_;
  std::optional<QuantizedBytes> to_bytes_;     // 16-bit rows in one u8 row each; else in two
  std::optional<QuantizedBytes> makes_bytes_;  // of a 16-bit result
  const std::int16_t* activation_ = nullptr;   // table of a 16-bit result
};

BoundLinear::BoundLinear(const Linear& op, const QuantizedLinear& constants, Binder& binder)
    : product_(binder.product(constants.depth)),
      block_(constants.block),
      reads_(op.reads),
      makes_(op.makes),
      input_(binder.input(0).u8.buffer),
      relu_(op.activation == Activation::relu),
      accumulator_stride_(Binder::stride_of(constants.block.columns)),
      to_bytes_(constants.bytes),
      makes_bytes_(constants.makes_bytes) {
  ValueBuffers& made = binder.made();
  if (makes_ == Form::u8) made.u8 = binder.need_rows8(block_.columns, constants.refined);
  if (makes_ == Form::s16) made.s16 = binder.need_rows16(binder.columns());
  if (makes_bytes_) made.u8 = binder.need_rows8(binder.columns());
  if (makes_ == Form::s32) made.s32 = binder.need(sizeof(std::int32_t) * static_cast<std::size_t>(binder.columns()));
  const std::size_t rows = split() ? 2 : 1;
  if (reads_ == Form::s16) {
    rows_ = binder.input(0).s16;
    bytes_ = binder.need_scratch(rows * static_cast<std::size_t>(constants.depth));
  }
  if (makes_ != Form::u8)
    accumulators_ = binder.need_scratch(rows * sizeof(std::int32_t) * static_cast<std::size_t>(accumulator_stride_));
  if (constants.table) activation_ = binder.get<std::int16_t>(part::kActivation);
  if (constants.activation_table) {
    gelu_ = Gelu{.fraction_bits = constants.gelu_fraction_bits,
                 .limit = static_cast<std::uint16_t>(constants.gelu_limit),
                 .normalize = constants.gelu_normalize,
                 .inverse = static_cast<std::uint16_t>(constants.gelu_inverse),
                 .base = binder.get<std::int16_t>(part::kGeluBase),
                 .slope = binder.get<std::int16_t>(part::kGeluSlope),
                 .offset = binder.get<std::int16_t>(part::kGeluOffset),
                 .out = {},
                 .fine_bits = constants.refined.fine_bits};
  }
  out_ = made;
}

NodeCodes BoundLinear::make_bytes(IntegerPass& pass, const std::uint8_t* a, const RowBlock& block) const {
  const NodeCodes codes = pass.codes_of(out_.u8);
  const int zero_point = block_.encoding.zero_point, low = relu_ ? zero_point : 0;
  pass.for_parts(block, block_.columns, product_.depth, [&](const Part& part) {
    if (gelu_) {
      Gelu own = *gelu_;
      own.offset += part.column;
      own.out = at(codes.bytes, part.row, part.column);
      if (codes.fine.data) own.fine = at(codes.fine, part.row, part.column);
      pass.table().gemm_gelu(product_.part(block_, a, part), own);
    } else {
      pass.table().gemm_to_u8(
          product_.part(block_, a, part),
          {.zero_point = zero_point, .low = low, .high = 255, .out = at(codes.bytes, part.row, part.column)});
    }
  });
  return codes;
}

/// 16-bit rows as the product reads them: u8 codes, or each as two rows of u8 codes.
const std::uint8_t* BoundLinear::bytes_of_rows(IntegerPass& pass, int rows) const {
  auto* data = pass.at<std::uint8_t>(bytes_);
  const ByteMatrix bytes = tile_order(data, product_.depth);
  pass.for_rows({.first = 0, .count = rows}, rows_.columns, [&](int row, int count) {
    if (to_bytes_) {
      requantize(pass, rows_, *to_bytes_, row, count, bytes);
    } else {
      pass.table().split_s16({.rows = count,
                              .columns = rows_.columns,
                              .in = pass.rows_at(rows_, row),
                              .stride = rows_.stride,
                              .out = at(bytes, 2 * row, 0)});
    }
  });
  return data;
}

/// Sums part by part, and what becomes of a part while it is in the cache: 16-bit codes, activated, or logits.
NodeCodes BoundLinear::make_rows(IntegerPass& pass, const std::uint8_t* a, int rows) const {
  const KernelTable& table = pass.table();
  const int rows_each = split() ? 2 : 1;
  auto* sums = pass.at<std::int32_t>(accumulators_);
  auto* logits = pass.at<std::int32_t>(out_.s32);
  const auto logits_at = [&](int row, int column) { return logits + std::ptrdiff_t{row} * block_.columns + column; };
  pass.for_parts({.first = 0, .count = rows * rows_each}, block_.columns, product_.depth, [&](const Part& part) {
    const Gemm gemm = product_.part(block_, a, part);
    std::int32_t* first = sums + part.row * accumulator_stride_ + part.column;
    table.gemm_to_s32(gemm, {.out = first, .stride = accumulator_stride_});
    const int columns = std::min(part.columns, block_.columns - part.column);
    const std::int32_t* multiplier = product_.multiplier + block_.first_column + part.column;
    for (int row = 0; row < part.rows; row += rows_each) {
      const int to = (part.row + row) / rows_each;
      const std::int32_t* own = first + row * accumulator_stride_;
      const JoinedRow pair{.columns = columns,
                           .high = own,
                           .low = own + accumulator_stride_,
                           .multiplier = multiplier,
                           .shift = block_.shift};
      if (makes_ == Form::s16) {
        std::int16_t* out = pass.rows_at(out_.s16, to) + part.column;
        table.join_to_s16(pair, out);
        if (activation_) table.activate_s16({.columns = columns, .in = out, .table = activation_, .out = out});
      } else if (rows_each == 2) {
        table.join_to_s32(pair, logits_at(to, part.column));
      } else {
        table.scale_s32({.columns = columns,
                         .in = own,
                         .multiplier = multiplier,
                         .shift = block_.shift,
                         .out = logits_at(to, part.column)});
      }
    }
  });
  if (makes_ == Form::s32) return {.logits = logits};
  const ByteMatrix bytes = makes_bytes_ ? pass.bytes_at(out_.u8) : ByteMatrix{};
  if (makes_bytes_) {
    pass.for_rows({.first = 0, .count = rows}, out_.s16.columns,
                  [&](int row, int count) { requantize(pass, out_.s16, *makes_bytes_, row, count, bytes); });
  }
  return {.stream = pass.rows_at(out_.s16), .stream_stride = out_.s16.stride, .bytes = bytes};
}

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const Linear& op, const QuantizedLinear& constants, Binder& binder) {
  return std::make_unique<const BoundLinear>(op, constants, binder);
}

}  // namespace octavo
