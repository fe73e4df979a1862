// What heads and embeddings without a LayerNorm need: 16-bit rows as inputs and results of products.
#pragma once

#include "base/fixed_point.h"
#include "graph/graph.h"
#include "graph/quantized.h"
#include "quantize/float_rows.h"

#include "octavo/tensor.h"

#include <algorithm>

namespace octavo {

/// Steps of a 16-bit input's exact product that one step of its accumulator is worth.
inline constexpr double kSplitStep = 32.0;

/// Quantizer of the two u8 rows that a 16-bit row becomes.
inline Quantizer split_input(double scale) { return {.scale = scale, .zero_point = 128, .low = 0, .high = 255}; }

/// Of the sums of the two rows, the first counts 256 times and the second once: a bias that both have counts 257 times.
inline constexpr float kSplitBias = 257.0f;

/// From s16 codes in steps of `scale` to u8 codes.
QuantizedBytes bytes_of_stream(double scale, const Quantizer& bytes);

/// The activation of a 16-bit row (fixed-point.md 8 b): what codes before and after it are worth, and its table.
struct ActivationTable {
  Quantizer input, output;
  Tensor values;  ///< s16 [kActivationEntries]
};

/// Codes for what comes before an activation; half as much again as the largest magnitude that was seen still fits.
Quantizer before_activation(double largest);

/// The table for such codes.
ActivationTable activation_table(Activation activation, const Quantizer& input);
inline ActivationTable activation_table(Activation activation, double largest) {
  constexpr double kTanhEnds = 10.0;  // from there on it is 1 in every step of 16 bits
  return activation_table(
      activation, before_activation(activation == Activation::tanh ? std::min(largest, kTanhEnds / 1.5) : largest));
}

/// A step of logits with which the largest multiplier of a head is 1, so that nothing of the sums is lost.
double logit_step(const FloatRows& weights, const Quantizer& input);

}  // namespace octavo
