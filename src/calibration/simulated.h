// Quantization simulated in float: what the Quantizable Transformers paper calls its quantizers, for the calibration
// that runs with quantizers on and for analyses.
#pragma once

#include "graph/model_data.h"
#include "observers/observers.h"

#include <span>
#include <string>
#include <string_view>

namespace octavo {

/// x := scale * (clamp(round(x / scale) + zero, 0, 2^bits - 1) - zero) over [low, high] widened to contain 0; half to
/// even.
void simulate_activation(std::span<float> values, const Range& range, int bits);

/// Symmetric with one scale: absmax / (2^(bits-1) - 1), or absmax / (2^bits - 1) where no value is negative.
void simulate_weights(std::span<float> values, int bits);

/// The model with every weight that the paper quantizes rounded to `bits`, per tensor: embedding tables, products,
/// LayerNorm gains. Biases and gates stay as they are. With `only` just the tensor of that name.
Model::Data with_simulated_weights(const Model::Data& model, int bits, std::string_view only = {});

/// The paper's activation quantizers: ranges are running min-max, and each value is quantized with its range as it is
/// at that time, so that later ranges are of values that the earlier quantizers have changed.
class RunningQuantizers {
 public:
  explicit RunningQuantizers(int bits = 8) : bits_(bits) {}

  /// Updates the range of this value and quantizes it in place; once per value and batch.
  void operator()(std::string_view name, std::span<float> values);

  /// From now on ranges stay as they are.
  void freeze() { frozen_ = true; }

  const Ranges& ranges() const { return ranges_; }

 private:
  int bits_;
  bool frozen_ = false;
  Ranges ranges_;
};

}  // namespace octavo
