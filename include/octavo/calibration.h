// From a float32 model and sample data to a quantized model.
#pragma once

#include "octavo/agreement.h"
#include "octavo/engine.h"
#include "octavo/memory.h"
#include "octavo/model.h"
#include "octavo/quantization.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
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
  std::size_t extra_bits = 0;              ///< how many things have them
  double work = 1.0;                       ///< multiply-adds of products, relative to those without extra bits
  double closeness = 0.0;                  ///< mean cosine to float32; of a search by points without a meaning
  std::optional<TaskCloseness> task = {};  ///< of a search by points
};

/// What a search for precision has found, on samples that were calibrated on.
struct PrecisionChoice {
  double target = 0.0;                  ///< PrecisionOptions::target_cosine, or max_drop
  bool by_points = false;               ///< by what the model's task loses, not by the cosine to float32
  bool reached = false;                 ///< when false: everything that there is
  std::vector<ExtraBits> extra_bits;    ///< in the order of what they gain
  std::vector<FrontierPoint> frontier;  ///< by extra_bits
};

/// How ProbabilityType::automatic was decided: what is missing from a mean cosine of 1 to float32 with either type.
struct ProbabilityChoice {
  ProbabilityType chosen = ProbabilityType::uint8;
  double uint8_error = 0.0, uint16_error = 0.0;
};

/// How WeightOptions::vocabulary_bits was decided.
struct VocabularyChoice {
  int bits = 8;
  double four_bit_cosine = 0.0;  ///< mean cosine of logits to float32 with 4
};

/// A quantized model and what was decided on the way to it.
struct Calibrated {
  Model model;
  CalibrationOptions options;  ///< as they took effect: nothing automatic, and extra bits in place of a target
  std::optional<ProbabilityChoice> probabilities = {};  ///< none where the options or the attention left no choice
  std::optional<VocabularyChoice> vocabulary = {};      ///< likewise
  std::optional<PrecisionChoice> precision = {};        ///< none without a target
};

/// Watches a float32 model run over data and makes quantized models of it. Memory does not grow with the number of
/// samples: of them the first 64 are kept, with a bound on points the first 512, to measure decisions on. What comes of
/// it does not depend on how samples are cut into batches, but for the paper's setting, and for last bits where oneDNN
/// rounds by the number of rows. Every member that is not const needs the object to itself.
class Calibrator {
 public:
  /// Prepares to watch a model. Half of `memory` is for what is kept of the observations and for quantized weights,
  /// half for float32 weights, of which more than that are converted batch by batch. What is large is then in memory
  /// for one layer at a time. Throws Error when `model` is already quantized, and for options that are out of range,
  /// contradict each other, or have no effect beside the paper's setting.
  explicit Calibrator(const Model& model, const CalibrationOptions& options = {}, const MemoryOptions& memory = {});

  /// Prepares to watch an engine's model, with the float32 weights that the engine has; decisions run on its
  /// instruction set. All of `memory` is for what is kept of the observations and for quantized weights. The paper's
  /// setting has float32 weights of its own. Throws Error as for a model.
  explicit Calibrator(Engine reference, const CalibrationOptions& options = {}, const MemoryOptions& memory = {});
  ~Calibrator();
  Calibrator(Calibrator&&) noexcept;
  Calibrator& operator=(Calibrator&&) noexcept;

  /// Gives the float32 model that quantized ones are compared with.
  const Engine& reference() const;

  /// Runs the float model on one batch and updates the ranges. Throws Error as Engine::run does, and naming a value
  /// that float32 cannot hold.
  void observe(const TokenBatch& batch, Workspace& workspace);
  void observe(const ImageBatch& batch, Workspace& workspace);

  /// The same of samples of which it is known what is right, which PrecisionOptions::max_drop is measured by: none, or
  /// a label for each. Throws Error also for another number of labels.
  void observe(const TokenBatch& batch, std::span<const SampleLabel> labels, Workspace& workspace);
  void observe(const ImageBatch& batch, std::span<const SampleLabel> labels, Workspace& workspace);

  /// Begins anew: forgets all that was observed.
  void forget();

  /// Counts the samples (sequences or images) observed so far.
  std::int64_t samples() const;

  /// Counts the tokens observed so far.
  std::int64_t tokens() const;

  /// Tells whether more samples would still change the ranges.
  Convergence convergence() const;

  /// Tells how far a batch, which is not observed, goes beyond the ranges of what was: by the mean over all values of
  /// the part beyond, relative to the range's width, 0 to 1. Ordinary texts go 0.01 to 0.05 beyond the ranges of a
  /// hundred others, and over 0.1 beyond those of few or narrow ones. Throws Error as Engine::run().
  double excess(const TokenBatch& batch, Workspace& workspace) const;
  double excess(const ImageBatch& batch, Workspace& workspace) const;

  /// Counts the bytes of observations and of its models' weights that lie in files because they are beyond the budget.
  std::int64_t spilled() const;

  /// Lists everything that can have extra bits, in order of execution.
  std::vector<ExtraBits> extra_bits() const;

  /// Quantizes by what was observed so far, with the constructor's options, on one thread, and decides what they leave
  /// open. Throws Error when nothing was observed, a range is not finite, or what is named cannot have extra bits.
  Calibrated quantize();

  /// Quantizes with other options than the constructor's, to see what each contributes: `ranges` and `quantizers` are
  /// those of the observation, and what the constructor's options did not need was not kept. Throws Error as
  /// quantize(), and when something is missing.
  Calibrated quantize(const CalibrationOptions& options);

  /// Quantizes on the workspace's threads, to the same bits. Throws Error as quantize() does.
  Calibrated quantize(const CalibrationOptions& options, Workspace& workspace);

  struct Data;

 private:
  std::unique_ptr<Data> data_;
};

}  // namespace octavo
