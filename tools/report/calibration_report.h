// What `octavo calibrate` tells at its end.
#pragma once

#include "report/parts_report.h"

#include "octavo/calibration.h"
#include "octavo/comparison.h"
#include "octavo/token_reduction.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

/// How close the model would be without one technique, all else being equal.
struct Ablation {
  std::string technique;  ///< "equalize", "copies", "bias-correction", "rounding": its flag
  Closeness closeness;
};

struct CalibrationReport {
  std::string output;                           ///< the INT8 file
  std::int64_t samples = 0;                     ///< calibrated on
  std::int64_t tokens = 0;                      ///< in them
  std::int64_t built_in = 0;                    ///< of the samples, those that octavo brings along
  std::optional<double> excess;                 ///< how far built-in samples go beyond the ranges of the given ones
  bool held_out = true;                         ///< closeness is of samples that calibration has not seen
  std::string compared = "embeddings";          ///< or logits: what closeness is about
  Closeness closeness;                          ///< INT8 to float32
  std::optional<Closeness> built_in_closeness;  ///< the same of built-in samples, where given ones are few or narrow
  std::optional<TaskCloseness> task;            ///< of what the model's head is for
  std::vector<Ablation> without;
  std::optional<ProbabilityChoice> probabilities;  ///< how --probabilities auto was decided
  std::optional<VocabularyChoice> vocabulary;      ///< how --vocabulary-bits auto was decided
  std::optional<PrecisionChoice> search;           ///< what --target-cosine or --max-drop found
  PartsReport parts;                               ///< what the model does without, or has apart
  std::optional<TokenChoice> token_reduction;      ///< what --token-prune and --token-merge removed
  Convergence convergence;
  std::uintmax_t output_bytes = 0;
  std::uintmax_t checkpoint_bytes = 0;  ///< of its weights
  double calibrate_seconds = 0, quantize_seconds = 0, compare_seconds = 0;
};

/// A short table.
std::string to_text(const CalibrationReport& report);

/// One object on one line.
std::string to_json(const CalibrationReport& report);

/// One self-contained page.
std::string to_html(const CalibrationReport& report);

/// What the model file keeps: one object, the same whenever the calibration is the same.
std::string to_stored_json(const CalibrationReport& report);

}  // namespace octavo::tools
