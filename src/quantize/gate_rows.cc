#include "quantize/gate_rows.h"

#include <algorithm>

namespace octavo {
namespace {

/// Appends a block's rows; they read columns from `first` on.
void append(FloatRows& rows, const Model::Data& model, const LinearBlock& block, int first) {
  const std::vector<float> weight = float_values(model, block.weight), bias = float_values(model, block.bias);
  const auto own = static_cast<std::ptrdiff_t>(weight.size()) / block.columns;
  for (int n = 0; n < block.columns; ++n) {
    rows.weight.resize(rows.weight.size() + static_cast<std::size_t>(rows.inputs), 0.0f);
    std::copy_n(weight.begin() + n * own, own, rows.weight.end() - rows.inputs + first);
  }
  rows.bias.insert(rows.bias.end(), bias.begin(), bias.end());
  rows.columns += block.columns;
}

}  // namespace

FloatRows gate_rows(const Model::Data& model, const QkvProduct& op, const std::string& name, int inputs) {
  FloatRows rows{.name = name, .columns = 0, .inputs = inputs, .weight = {}, .bias = {}};
  const int slice = op.gate_kind == GateKind::all_heads ? 0 : inputs / op.heads;
  int first = 0;
  for (const LinearBlock& block : op.gate) {
    append(rows, model, block, first);
    first += slice;
  }
  return rows;
}

FloatRows gate_output_rows(const Model::Data& model, const QkvProduct& op, const std::string& name) {
  FloatRows rows{.name = name, .columns = 0, .inputs = gate_columns(op), .weight = {}, .bias = {}};
  int first = 0;
  for (std::size_t h = 0; h < op.gate_output.size(); ++h) {
    append(rows, model, op.gate_output[h], first);
    first += op.gate[h].columns;
  }
  return rows;
}

}  // namespace octavo
