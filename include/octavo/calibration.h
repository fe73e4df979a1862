// From a float32 model and sample data to a quantized model.
#pragma once

#include <cstdint>
#include <memory>

#include "octavo/engine.h"
#include "octavo/model.h"

namespace octavo {

/// How a value's range is estimated from the batches observed.
enum class RangeMethod {
  minmax,          ///< smallest and largest value ever seen
  running_minmax,  ///< per batch, r = 0.9 r + 0.1 batch (method of the Quantizable Transformers paper)
};

/// One scale per output channel of a weight matrix, or one per matrix (the paper's setting).
enum class WeightScales { per_channel, per_tensor };

/// The residual stream: 16 bits, or the paper's 8-bit sums.
enum class ResidualType { int16, int8 };

struct CalibrationOptions {
  RangeMethod method = RangeMethod::minmax;
  WeightScales weights = WeightScales::per_channel;
  ResidualType residual = ResidualType::int16;

  /// The setting of the Quantizable Transformers paper, with every one of its quantizers, in integers: one scale per weight
  /// tensor, u8 with a static range everywhere, residual sums and probabilities included, running min-max while the quantizers
  /// are on. The other options are then without effect. It exists to compare with.
  bool paper = false;
};

/// Watches a float32 model run over data. Memory does not grow with the number of samples.
class Calibrator {
 public:
  /// Throws Error when `model` is already quantized.
  explicit Calibrator(Model model, const CalibrationOptions& options = {});
  ~Calibrator();
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(Calibrator&&) noexcept;

  /// Runs the float model on one batch and updates the ranges. Throws Error as Engine::run does.
  void observe(const TokenBatch& batch, Workspace& workspace);
  void observe(const ImageBatch& batch, Workspace& workspace);

  /// Samples (sequences) and tokens observed so far.
  std::int64_t samples() const;
  std::int64_t tokens() const;

  /// Quantizes with the ranges observed so far. Throws Error when nothing was observed or a range is not finite.
  Model quantize() const;

  struct Data;

 private:
  std::unique_ptr<Data> data_;
};

}  // namespace octavo
