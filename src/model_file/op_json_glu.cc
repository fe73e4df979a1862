// Gated linear units in a model file.
#include "graph/names.h"
#include "model_file/op_json.h"

#include <cmath>

namespace octavo {

template <>
void describe(Fields& node, GluProduct&, QuantizedGluProduct& constants) {
  node.section("integer", [&](Fields& integer) {
    integer.integer("depth", constants.depth, 64, kMaxColumns);
    describe(integer, "gate", constants.gate);
    if (integer.has("up", constants.up.columns > 0)) describe(integer, "up", constants.up);
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, GluProduct op, const QuantizedGluProduct& constants) {
  op.gate = plain(constants.gate);
  if (constants.up.columns > 0) op.up = plain(constants.up);
  return g.glu_product(node.name(), node.input(), std::move(op));
}

template <>
void check(NodeCheck& node, const GluProduct& op, const QuantizedGluProduct& constants) {
  std::vector<const QuantizedBlock*> blocks = {&constants.gate};
  if (op.has_up()) blocks.push_back(&constants.up);
  node.check_product(constants.depth, blocks, node.require_bytes(0));
  for (const QuantizedBlock* block : blocks) {
    if (block->encoding.zero_point != 0) node.fail("has a zero point of 16 bits, expected none");
  }
}

template <>
void describe(Fields& node, GluOp& op, QuantizedGlu& constants) {
  node.name("activation", op.activation, kActivations);
  node.section("integer", [&](Fields& integer) {
    integer.integer("multiplier", constants.multiplier, 0, kInt32Max);
    integer.integer("shift", constants.shift, 33, 62);
    describe(integer, "output", constants.output);
    describe(integer, constants.refined);
    const int fine_bits = constants.refined.fine_bits;
    integer.require(fine_bits == 0 || fine_bits == kFineBits, "refined", "no fine bits or 3");
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, GluOp op, const QuantizedGlu&) {
  return g.glu(node.name(), node.input(), op);
}

template <>
void check(NodeCheck& node, const GluOp&, const QuantizedGlu& constants) {
  node.get<std::int16_t>("activation", {kActivationEntries});
  if (node.has("column_scale")) {
    for (const float scale : node.get<float>("column_scale", {node.columns()})) {
      if (!(scale > 0.0f && std::isfinite(scale))) node.fail("has a column_scale that is not positive");
    }
  }
  node.set_bytes(node.columns(), constants.refined);
}

}  // namespace octavo
