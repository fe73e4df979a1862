// Gated linear units in float32.
#include "float/float_run.h"

namespace octavo {

template <>
void FloatExecutor::Run::execute(const GluProduct& op, const Node& node) {
  multiply(node);
  if (!observer) return;
  const ConstRows all(at(node.output), rows_of(node.output), model.columns(node.output));
  const FloatMatrix gate = all.leftCols(op.gate.columns), up = all.rightCols(op.up.columns);
  observe(op.gate.name, gate.data(), gate.rows(), op.gate.columns);
  if (op.has_up()) observe(op.up.name, up.data(), up.rows(), op.up.columns);
}

template <>
void FloatExecutor::Run::execute(const GluOp& op, const Node& node) {
  const ConstRows branches(at(node.inputs[0]), rows_of(node.inputs[0]), model.columns(node.inputs[0]));
  Rows out = rows(node.output);
  out = branches.leftCols(out.cols());
  activate(out, op.activation);
  if (branches.cols() > out.cols()) out *= branches.rightCols(out.cols());
  change(node);
}

}  // namespace octavo
