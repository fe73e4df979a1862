// Gated linear units in integers: both branches as 16-bit rows, and what they make together.
#include "graph/names.h"
#include "integer/integer_pass.h"

namespace octavo {

using namespace kernels;

namespace {

class BoundGluProduct : public BoundOp {
 public:
  BoundGluProduct(const QuantizedGluProduct& constants, Binder& binder)
      : product_(binder.product(constants.depth)),
        gate_(constants.gate),
        up_(constants.up),
        input_(binder.input(0).u8.buffer),
        branches_(constants.up.columns > 0 ? 2 : 1),
        out_(binder.need_rows16(branches_ * static_cast<int>(Binder::stride_of(constants.gate.columns)))) {
    binder.made().branches = out_;
  }

  NodeCodes run(IntegerPass& pass, RowKind kind) const override {
    const auto* a = pass.at<std::uint8_t>(input_);
    pass.for_parts(
        pass.block_of(kind), gate_.columns, product_.depth,
        [&](const Part& part) {
          std::int16_t* out = pass.rows_at(out_, part.row) + part.product * (out_.stride / 2) + part.column;
          pass.table().gemm_to_s16(product_.part(part.product == 0 ? gate_ : up_, a, part),
                                   {.zero_point = 0, .out = out, .stride = out_.stride});
        },
        branches_);
    return {};
  }

 private:
  Product product_;
  QuantizedBlock gate_, up_;
  BufferId input_;
  int branches_;
  Rows16 out_;
};

class BoundGlu : public BoundOp {
 public:
  BoundGlu(const QuantizedGlu& constants, Binder& binder)
      : in_(binder.input(0).branches),
        out_(binder.need_rows8(binder.columns(), constants.refined)),
        units_{.rows = 0,
               .columns = binder.columns(),
               .gate = nullptr,
               .up = nullptr,
               .stride = in_.stride,
               .table = binder.get<std::int16_t>(part::kActivation),
               .multiplier = constants.multiplier,
               .shift = constants.shift,
               .zero_point = constants.output.zero_point << constants.refined.fine_bits,
               .out = {}} {
    binder.made().u8 = out_;
  }

  NodeCodes run(IntegerPass& pass, RowKind kind) const override {
    const NodeCodes codes = pass.codes_of(out_);
    pass.for_rows(pass.block_of(kind), in_.columns, [&](int row, int rows) {
      GatedUnits units = units_;
      units.rows = rows;
      units.gate = pass.rows_at(in_, row);
      if (in_.stride > Binder::stride_of(units.columns)) units.up = units.gate + in_.stride / 2;
      units.out = at(codes.bytes, row, 0);
      if (codes.fine.data) units.fine = at(codes.fine, row, 0);
      pass.table().gated_units(units);
    });
    pass.write_coarse(out_, pass.block_of(kind));
    return codes;
  }

 private:
  Rows16 in_;
  Rows8 out_;
  GatedUnits units_;  // without rows and places
};

}  // namespace

template <>
std::unique_ptr<const BoundOp> bind_op(const GluProduct&, const QuantizedGluProduct& constants, Binder& binder) {
  return std::make_unique<const BoundGluProduct>(constants, binder);
}

template <>
std::unique_ptr<const BoundOp> bind_op(const GluOp&, const QuantizedGlu& constants, Binder& binder) {
  return std::make_unique<const BoundGlu>(constants, binder);
}

}  // namespace octavo
