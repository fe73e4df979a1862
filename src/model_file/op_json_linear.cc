// Linear layers in a model file, and sums with the residual stream.
#include "kernels/kernels.h"
#include "model_file/op_json.h"

#include <algorithm>
#include <functional>

namespace octavo {

constexpr int kWidestRow = 8192;  // whose 16-bit values times 127 add up to less than 2^30 steps of 32

template <>
void describe(Fields& node, Linear& op, QuantizedLinear& constants) {
  node.name("activation", op.activation, kActivations);
  node.name_or("reads", op.reads, kForms, Form::u8);
  node.name_or("makes", op.makes, kForms, Form::u8);
  node.section("integer", [&](Fields& integer) {
    describe_product(integer, constants);
    describe(integer, "bytes", constants.bytes);
    integer.require(!constants.bytes || (op.reads == Form::s16 && op.makes == Form::s32), "bytes",
                    "absent but for logits of 16-bit rows");
    describe(integer, "makes_bytes", constants.makes_bytes);
    integer.require(!constants.makes_bytes || (op.makes == Form::s16 && op.activation == Activation::none),
                    "makes_bytes", "absent but for 16-bit results without an activation");
    constants.table = integer.has("activated", constants.table);
    if (constants.table) describe(integer, "activated", constants.activated, 0, 0);
    integer.require(constants.table == (op.makes == Form::s16 && op.activation != Activation::none), "activated",
                    "there for 16-bit results with an activation, and for no other");
    const bool curved = op.activation != Activation::none && op.activation != Activation::relu;
    constants.activation_table =
        op.makes == Form::u8 &&
        (curved || (op.activation == Activation::relu && integer.has("gelu", constants.activation_table)));
    integer.section_if("gelu", constants.activation_table, [&](Fields& gelu) {
      gelu.integer("fraction_bits", constants.gelu_fraction_bits, 0, 6);
      gelu.integer("normalize", constants.gelu_normalize, 0, 15);
      gelu.integer("limit", constants.gelu_limit, 1, 65535 >> constants.gelu_normalize);
      gelu.integer("inverse", constants.gelu_inverse, 0, 65535);
    });
    describe(integer, constants.refined);
    integer.require(constants.refined.fine_bits <= constants.gelu_fraction_bits, "refined",
                    "at most as many fine bits as gelu has fraction_bits");
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, Linear op, const QuantizedLinear& constants) {
  op.weights = plain(constants.block);
  op.weights.columns = node.columns();  // without the copies that the block has
  if (op.weights.columns > constants.block.columns) node.json().fail("columns", "at most those of its block");
  return g.linear(node.name(), node.input(), std::move(op));
}

namespace {

/// Logits and 16-bit rows have no channel splits and no refined codes.
void check_head(NodeCheck& node, const Linear& op, const QuantizedLinear& constants, int inputs) {
  if (op.reads == Form::s16 && inputs > kWidestRow)
    node.fail("reads " + std::to_string(inputs) + " columns, expected at most " + std::to_string(kWidestRow));
  if (constants.block.columns != node.columns()) node.fail("and its block disagree about columns");
  if (constants.refined.times() > 1) node.fail("has refined codes, expected none of what a head makes");
  if (constants.table) node.get<std::int16_t>("activation", {kActivationEntries});
  if (op.makes == Form::s16) node.set_rows16();
  if (constants.makes_bytes) node.set_bytes(node.columns());
}

}  // namespace

template <>
void check(NodeCheck& node, const Linear& op, const QuantizedLinear& constants) {
  const int inputs = op.reads == Form::s16 ? node.require_rows16(0) : node.require_bytes(0);
  node.check_product(constants.depth, {&constants.block}, inputs);
  if (op.makes != Form::u8) return check_head(node, op, constants, inputs);
  if (constants.activation_table) {
    node.get<std::int16_t>("gelu_base", {32});
    node.get<std::int16_t>("gelu_slope", {32});
    node.get_within<std::int16_t>("gelu_offset", {round_up_to(constants.block.columns, kernels::kPanelColumns)}, -32768,
                                  0);
  }
  if (constants.refined.fine_bits > 0 && !constants.activation_table)
    node.fail("has fine codes, which need the pieces of its activation");
  node.set_bytes(constants.block.columns, constants.refined);
}

namespace {

void check_outliers(NodeCheck& node, const QuantizedLinearAdd& constants) {
  const std::vector<int>&columns = constants.outlier_columns, &shifts = constants.outlier_shifts;
  if (columns.size() != shifts.size() || columns.size() > kernels::kMostOutlierColumns)
    node.fail("has " + std::to_string(columns.size()) + " outlier columns and " + std::to_string(shifts.size()) +
              " shifts of them, expected as many of both, at most " + std::to_string(kernels::kMostOutlierColumns));
  if (!std::is_sorted(columns.begin(), columns.end(), std::less_equal<>()))
    node.fail("has outlier columns that do not ascend");
  if (!columns.empty() && columns.back() >= node.columns()) node.fail("has an outlier column beyond its columns");
  if (!columns.empty() && (constants.eight_bit || constants.stream_shift != 0))
    node.fail("has outlier columns and 8-bit sums or a stream_shift, expected one of them");
  const auto* before = std::get_if<QuantizedLinearAdd>(&node.input_constants(1));
  const bool sum_of_sums = before && !before->outlier_columns.empty();
  if (sum_of_sums && (before->outlier_columns != columns || before->outlier_shifts != shifts))
    node.fail("is added to a sum with other outlier columns");
  sum_of_sums ? node.require_sum(1) : node.require_rows16(1);
  if (!columns.empty()) node.set_outliers();
}

}  // namespace

template <>
void describe(Fields& node, LinearAdd&, QuantizedLinearAdd& constants) {
  node.section("integer", [&](Fields& integer) {
    describe_product(integer, constants);
    integer.integer_or("stream_shift", constants.stream_shift, 0, 15, 0);
    if (integer.has("outlier_columns", !constants.outlier_columns.empty())) {
      integer.integers("outlier_columns", constants.outlier_columns, 0, kMaxColumns - 1);
      integer.integers("outlier_shifts", constants.outlier_shifts, 1, kernels::kLargestOutlierShift);
    }
    constants.eight_bit = integer.section_if("eight_bit", constants.eight_bit, [&](Fields& eight_bit) {
      describe(eight_bit, "product", constants.product);
      eight_bit.integer("product_multiplier", constants.product_multiplier, 0, 1 << 22);
      eight_bit.integer("stream_multiplier", constants.stream_multiplier, 0, 1 << 22);
    });
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, LinearAdd op, const QuantizedLinearAdd& constants) {
  op.weights = plain(constants.block);
  const std::vector<ValueId>& inputs = node.inputs(2);
  return g.linear_add(node.name(), inputs[0], inputs[1], std::move(op));
}

template <>
void check(NodeCheck& node, const LinearAdd&, const QuantizedLinearAdd& constants) {
  check_outliers(node, constants);
  if (constants.eight_bit && constants.stream_shift != 0)
    node.fail("has 8-bit sums and a stream_shift, expected one of them");
  if (constants.block.columns != node.columns()) node.fail("and its block disagree about columns");
  node.check_product(constants.depth, {&constants.block}, node.require_bytes(0));
  node.set_rows16();
}

}  // namespace octavo
