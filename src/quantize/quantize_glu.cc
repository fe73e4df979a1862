// Gated linear units: the product of both branches in 16 bits, and theirs in 8.
#include "base/fixed_point.h"
#include "base/vector_tensor.h"
#include "graph/names.h"
#include "quantize/float_rows.h"
#include "quantize/graph_quantizer.h"
#include "quantize/quantized_heads.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>

namespace octavo {

template <>
QuantizedGluProduct quantize_op(GraphQuantizer& q, const GluProduct& op, const Node& node) {
  const std::string& name = q.name(node);
  if (q.options().static_w8a8) {
    const char* what = op.has_up() ? "is a gated linear unit" : "has an activation by a table";
    throw Error(name + ": " + what + ", which the paper's setting is without");
  }
  const auto packed = [&](WeightPacker& packer, FloatRows rows, const Quantizer& out) {
    return packer.add({{std::move(rows), out.scale, stored(out)}})[0];
  };
  const Range gate_range = q.range(op.gate.name);
  const Quantizer gate = before_activation(
      std::max(std::abs(static_cast<double>(gate_range.low)), std::abs(static_cast<double>(gate_range.high))));
  Quantizer up{.scale = 1.0};
  FloatRows gate_rows = q.rows(op.gate, node.inputs[0]);
  WeightPacker packer = q.packer(node.inputs[0]);
  QuantizedGluProduct result;
  result.gate = packed(packer, std::move(gate_rows), gate);
  if (op.has_up()) {
    const Range up_range = q.range(op.up.name);
    up = symmetric_s16(up_range.low, up_range.high);
    result.up = packed(packer, q.rows_in_column_scales(op.up, node), up);
  }
  result.depth = packer.depth();
  q.put_weights(name, packer);
  q.branches(node.output) = {gate, up};
  return result;
}

template <>
QuantizedGlu quantize_op(GraphQuantizer& q, const GluOp& op, const Node& node) {
  const std::string& name = q.name(node);
  const auto& [gate, up] = q.branches(node.inputs[0]);
  const ActivationTable table = activation_table(op.activation, gate);
  const Quantizer out = asymmetric_u8(q.range(name).low, q.range(name).high);
  QuantizedGlu result{.output = stored(out), .refined = q.set_codes(node.output, out).refined};
  const double real = table.output.scale * up.scale / finer(out, result.refined.fine_bits).scale;
  const Multiplier m = make_multiplier(real);
  if (m.shift < 33 || m.shift > 62)
    throw Error(name + ": its range does not fit its branches, one step of their product is " + std::to_string(real) +
                " of its own");
  result.multiplier = m.multiplier;
  result.shift = m.shift;
  q.put(name + part::kActivation, table.values);
  if (const Equalization* e = q.equalization(node.output)) q.put(name + part::kColumnScale, to_tensor(e->scale));
  return result;
}

}  // namespace octavo
