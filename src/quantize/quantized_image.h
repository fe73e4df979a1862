// The two ends of an image model in integers: what folds into the product of the pixels, and what its rows start from.
#pragma once

#include "base/fixed_point.h"
#include "graph/graph.h"
#include "quantize/quantized_weights.h"

#include "octavo/tensor.h"

#include <vector>

namespace octavo {

/// Pixels are their own codes.
inline constexpr Quantizer kPixels = {.scale = 1.0, .zero_point = 0, .low = 0, .high = 255};

/// Rows over the bytes of a patch, whose three channels are interleaved as in an Image: W / (255 deviation), and the
/// bias less sum W mean / deviation. `bias` empty: zeros.
FloatRows pixel_rows(const EmbedPatches& op, const std::vector<float>& weight, const std::vector<float>& bias);

/// s16 [prefix rows + patches, columns] in steps of the stream: token + position of the prefix rows, position of the
/// patches.
Tensor image_rows(const EmbedPatches& op, const std::vector<std::vector<float>>& tokens,
                  const std::vector<float>& positions, const Quantizer& stream);

/// A step of logits with which the largest multiplier of a head is 1, so that nothing of the sums is lost.
double logit_step(const FloatRows& weights, const Quantizer& input);

}  // namespace octavo
