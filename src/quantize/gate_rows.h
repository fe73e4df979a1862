// A gate's float weights as rows of fused products: one row per column of the product, zeros where a head does not
// read.
#pragma once

#include "quantize/float_rows.h"

#include <string>

namespace octavo {

/// Rows of the QKV product that make a conditional gate's logits, or an mlp's hidden units: block-diagonal over slices
/// of the input, or dense for all_heads.
FloatRows gate_rows(const Model::Data& model, const QkvProduct& op, const std::string& name, int inputs);

/// Rows of an mlp gate's second product, block-diagonal over the hidden units of all heads.
FloatRows gate_output_rows(const Model::Data& model, const QkvProduct& op, const std::string& name);

}  // namespace octavo
