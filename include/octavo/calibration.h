// From a float32 model and sample data to a quantized model.
#pragma once

#include "octavo/engine.h"
#include "octavo/memory.h"
#include "octavo/model.h"
#include "octavo/quantization.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace octavo {

/// Whether more samples would have changed the ranges: how much the later half of the samples, or somewhat more, did.
struct Convergence {
  std::int64_t samples_before = 0;  ///< after which the others are looked at; 0: too few samples to tell
  int values = 0;                   ///< that have a range
  int changed = 0;                  ///< those whose range became wider or narrower by more than a hundredth
  double largest_change = 0.0;      ///< relative to the width before
  std::string most_changed = {};    ///< that value's name
};

/// One of the models that a search for precision has looked at.
struct FrontierPoint {
  std::size_t extra_bits = 0;  ///< how many things have them
  double work = 1.0;           ///< multiply-adds of products, relative to those without extra bits
  double closeness = 0.0;
};

/// What a search for precision has found.
struct PrecisionChoice {
  std::vector<ExtraBits> extra_bits;    ///< what to quantize with
  bool reached = false;                 ///< when false: everything that there is
  std::vector<FrontierPoint> frontier;  ///< by extra_bits
};

/// Watches a float32 model run over data. Memory does not grow with the number of samples. What comes of it does not
/// depend on how samples are cut into batches, but for the paper's setting, and for last bits where oneDNN rounds by
/// the number of rows. One thread at a time.
class Calibrator {
 public:
  /// `memory` is for what is kept of the observations and for quantized weights; half of it for float32 weights, of
  /// which more than that are converted batch by batch. What is large is then in memory for one layer at a time. Throws
  /// Error when `model` is already quantized.
  explicit Calibrator(const Model& model, const CalibrationOptions& options = {}, const MemoryOptions& memory = {});

  /// The same of an engine's model, with the float32 weights that the engine has. The paper's setting has weights of
  /// its own.
  explicit Calibrator(const Engine& reference, const CalibrationOptions& options = {},
                      const MemoryOptions& memory = {});
  ~Calibrator();
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(Calibrator&&) noexcept;

  /// Runs the float model on one batch and updates the ranges. Throws Error as Engine::run does, and naming a value
  /// that float32 cannot hold.
  void observe(const TokenBatch& batch, Workspace& workspace);
  void observe(const ImageBatch& batch, Workspace& workspace);

  /// Samples (sequences) and tokens observed so far.
  std::int64_t samples() const;
  std::int64_t tokens() const;

  /// Whether more samples would still change the ranges.
  Convergence convergence() const;

  /// Bytes of observations and of its models' weights that lie in files because they are beyond the budget.
  std::int64_t spilled() const;

  /// Everything that can have extra bits, in order of execution.
  std::vector<ExtraBits> extra_bits() const;

  /// The extra bits with which a model of these options is at least as close as `target`: first those that gain most
  /// per multiply-add, as few of them as do. `probe` is what gains are measured on; `closeness` judges a model, higher
  /// being closer. Throws Error where quantize() does, and for the paper's setting.
  PrecisionChoice choose_extra_bits(double target, const CalibrationOptions& options, const TokenBatch& probe,
                                    Workspace& workspace, const std::function<double(const Model&)>& closeness) const;
  PrecisionChoice choose_extra_bits(double target, const CalibrationOptions& options, const ImageBatch& probe,
                                    Workspace& workspace, const std::function<double(const Model&)>& closeness) const;

  /// Quantizes with the ranges observed so far. Throws Error when nothing was observed or a range is not finite.
  Model quantize() const;

  /// The same with other options, to see what each contributes: `method` is that of the observation, and what the
  /// constructor's options did not need was not kept. Throws Error when it is missing.
  Model quantize(const CalibrationOptions& options) const;

  /// The same, the same bits, on the workspace's threads.
  Model quantize(const CalibrationOptions& options, Workspace& workspace) const;

  struct Data;

 private:
  std::unique_ptr<Data> data_;
};

/// The same quantized model with probabilities of another type; nothing else changes, and nothing at all where
/// attention has but one. Throws Error when `model` is not quantized.
Model with_probabilities(const Model& model, ProbabilityType type);

}  // namespace octavo
