// The integer mean over tokens of a conditional_per_head gate's logits (fixed-point.md 6).
#pragma once

#include "runtime/ragged.h"

#include <cstdint>

namespace octavo {

/// Accumulators of one product of gates, one row per token.
struct GateAccumulators {
  const std::int32_t* values;  ///< [rows][stride]
  std::ptrdiff_t stride;
  int heads;
  const std::int32_t* multiplier;  ///< [heads]
  int shift;                       ///< 18..62
};

/// Per sequence and head: mean = floor((2 sum + n) / (2 n)) over its n tokens, then sat16((mean * m + 2^(shift-1)) >>
/// shift) to out[sequence * out_stride + head].
void mean_gate_logits(const GateAccumulators& from, const RaggedBatch& batch, std::int16_t* out,
                      std::ptrdiff_t out_stride);

}  // namespace octavo
