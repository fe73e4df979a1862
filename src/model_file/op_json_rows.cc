// LayerNorm in a model file, and the rows that heads read.
#include "model_file/op_json.h"

namespace octavo {

template <>
void describe(Fields& node, LayerNormOp& op, QuantizedLayerNorm& constants) {
  node.number("layer_norm_eps", op.weights.epsilon, 0.0, 1.0);
  node.integer_or("groups", op.groups, 1, 1024, 1);
  node.flag_or_false("rms", op.weights.rms);
  node.section("integer", [&](Fields& integer) {
    describe(integer, constants.refined);
    const int fine_bits = constants.refined.fine_bits;
    integer.require(fine_bits == 0 || fine_bits == kFineBits, "refined", "no fine bits or 3");
    integer.integer("epsilon", constants.epsilon, 0, kLargestEpsilon);
    describe(integer, "bytes", constants.bytes, 0, (256 << fine_bits) - 1);
    describe(integer, "stream", constants.stream, -32768, 32767);
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, LayerNormOp op, const QuantizedLayerNorm&) {
  return g.layer_norm(node.name(), node.input(), std::move(op.weights), op.groups);
}

template <>
void check(NodeCheck& node, const LayerNormOp& op, const QuantizedLayerNorm& constants) {
  const int columns = (op.groups > 1 ? node.require_rows16(0) : node.require_sum(0)) / op.groups;
  if (constants.bytes.exists) node.check_norm_output("bytes", columns);
  if (constants.stream.exists) node.check_norm_output("stream", columns);
  if (op.groups > 1 && constants.refined.times() > 1) node.fail("has refined codes of groups, expected none");
  if (constants.bytes.exists) node.set_bytes(columns * op.groups, constants.refined);
  if (constants.stream.exists) node.set_rows16();
}

template <>
void describe(Fields& node, SelectRows& op, QuantizedSelectRows& constants) {
  node.name("selection", op.selection, kSelections);
  node.integer("count", op.count, 0, 1024);
  node.section("integer", [&](Fields& integer) {
    describe(integer, "encoding", constants.encoding, 0, 0);
    if (op.selection != Selection::weighted) return;
    integer.integer("score_multiplier", constants.score_multiplier, 1 << 15, (1 << 16) - 1);
    integer.integer("score_shift", constants.score_shift, -8, 23);
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, SelectRows op, const QuantizedSelectRows&) {
  if (op.selection == Selection::weighted) {
    const std::vector<ValueId>& both = node.inputs(2);
    return g.weighted_rows(node.name(), both[0], both[1]);
  }
  return g.select_rows(node.name(), node.input(), op);
}

template <>
void check(NodeCheck& node, const SelectRows& op, const QuantizedSelectRows&) {
  node.require_rows16(0);
  if (op.selection == Selection::weighted) node.require_rows16(1);
  const int removed = node.input_value(0).removed;
  const int rows = node.info().image ? node.info().max_positions - removed : 1;  // a text may have one token
  const bool fits = op.selection == Selection::chosen || op.selection == Selection::weighted ||
                    (op.selection == Selection::first ? op.count <= rows : op.count < rows);
  if (!fits) node.fail("selects more rows than a sequence has");
  node.set_rows16();
}

template <>
void describe(Fields& node, ReduceTokens& op, QuantizedReduceTokens& constants) {
  node.name("how", op.how, kReductions);
  node.integer("removed", op.removed, 1, 65536);
  node.section("integer", [&](Fields& integer) {
    if (integer.has("score_multiplier", op.how == Reduction::prune)) {
      integer.integer("score_multiplier", constants.score_multiplier, 1 << 15, (1 << 16) - 1);
      integer.integer("score_shift", constants.score_shift, -8, 23);
    }
    describe(integer, "encoding", constants.encoding, 0, 0);
  });
}

template <>
ValueId append(GraphBuilder& g, const ReadNode& node, ReduceTokens op, const QuantizedReduceTokens&) {
  const std::vector<ValueId>& inputs = node.inputs(2);
  return g.reduce_tokens(node.name(), inputs[0], inputs[1], op);
}

template <>
void check(NodeCheck& node, const ReduceTokens&, const QuantizedReduceTokens&) {
  node.require_rows16(0);
  if (std::get<QuantizedQkv>(node.input_constants(1)).asymmetric)
    node.fail("compares keys with zero points, as the paper's setting has them, expected none");
  node.set_rows16();
}

}  // namespace octavo
