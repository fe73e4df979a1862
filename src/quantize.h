// A float32 model and the ranges of its values -> a quantized model. Pure: the same input gives the same integers.
#pragma once

#include "column_statistics.h"
#include "model_data.h"
#include "observers.h"

#include "octavo/calibration.h"

#include <map>
#include <string>
#include <vector>

namespace octavo {

/// Moves the difficulty of one LayerNorm's GEMM lane into the weights that read it: the lane holds (x - shift) / scale
/// per column, exactly compensated in weights and bias.
struct Equalization {
  std::vector<float> scale, shift;
};

struct QuantizeOptions {
  WeightScales weights = WeightScales::per_channel;
  ResidualType residual = ResidualType::int16;
  HeadType head = HeadType::int16;
  bool paper = false;  ///< every quantizer of the paper (fixed-point.md 9); needs per-tensor weights and 8-bit sums
  std::map<std::string, Equalization, std::less<>> equalization = {};  ///< by name of the LayerNorm's value
  std::map<std::string, std::vector<int>, std::less<>> copies =
      {};                                  ///< by name of an activated Linear: copies per neuron, >= 1
  const Statistics* statistics = nullptr;  ///< of the products' inputs, not equalized, by name; for the next two
  bool bias_correction = false;            ///< needs samples of rows
  bool compensated_rounding = false;       ///< needs second moments
};

/// Ranges: the byte lane of LayerNorm `A` has that of `A.bytes` where there is one (of the equalized values), else that
/// of `A`. Ranges must hold every value the graph's quantizers need, by name; Throws Error naming one that is missing.
Model::Data quantize(const Model::Data& model, const Ranges& ranges, const QuantizeOptions& options);

}  // namespace octavo
