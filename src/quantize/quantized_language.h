// What a language head and embeddings without a LayerNorm need: 16-bit rows as inputs of products.
#pragma once

#include "base/fixed_point.h"
#include "graph/graph.h"
#include "graph/model_data.h"
#include "graph/quantized.h"

#include <vector>

namespace octavo {

/// Steps of a 16-bit input's exact product that one step of its accumulator is worth.
inline constexpr double kWideStep = 32.0;

/// Quantizer of the two u8 rows that a 16-bit row becomes.
inline Quantizer wide_input(double scale) { return {.scale = scale, .zero_point = 128, .low = 0, .high = 255}; }

/// From s16 codes in steps of `scale` to u8 codes.
QuantizedBytes bytes_of_stream(double scale, const Quantizer& bytes);

/// The word embeddings [vocabulary, columns], as a projection leaves them.
std::vector<float> word_rows(const Model::Data& model, const EmbedTokens& op, int columns);

}  // namespace octavo
