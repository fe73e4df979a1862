// What a Calibrator keeps of the batches that it has seen, and what it chooses by that.
#pragma once

#include "base/spill_memory.h"
#include "calibration/calibration_options.h"
#include "calibration/kept_samples.h"
#include "calibration/observed_values.h"
#include "calibration/precision_search.h"
#include "calibration/simulated.h"
#include "float/float_executor.h"
#include "observers/column_statistics.h"
#include "observers/histogram.h"
#include "observers/observers.h"
#include "quantize/equalize.h"
#include "quantize/quantize.h"

#include "octavo/calibration.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>

namespace octavo {

/// percentile and mse take every range from its histogram, automatic takes candidates from it.
inline bool takes_ranges(RangeMethod method) { return method == RangeMethod::percentile || method == RangeMethod::mse; }
inline bool uses_histograms(RangeMethod method) { return takes_ranges(method) || method == RangeMethod::automatic; }

inline bool compensates(const CalibrationOptions& options) {
  return options.weights.rounding == WeightRounding::compensated;
}

inline bool needs_samples(const CalibrationOptions& options) {
  const EqualizeMethod equalize = options.activations.equalize;
  return options.weights.bias_correction || equalize == EqualizeMethod::os_plus || equalize == EqualizeMethod::repq;
}

struct Calibrator::Data {
  struct Snapshot {
    std::int64_t samples = 0;
    Ranges ranges;
  };

  Data(Engine r, const CalibrationOptions& o, std::shared_ptr<SpillMemory> spill);

  void observe_parts(const RaggedBatch& batch, Workspace& workspace);
  void observe(const RaggedBatch& batch, Workspace& workspace);
  double excess(const RaggedBatch& batch, Workspace& workspace) const;
  [[noreturn]] void refuse(std::string_view name, std::span<const float> values, int width,
                           const RaggedBatch& batch) const;

  // Steps of quantize(): each changes ranges and adds to the options.
  void choose_ranges(Ranges& chosen_ranges) const;
  void equalize_sites(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result);
  /// Rows of all products that read a value.
  std::vector<FloatRows> readers_of(ValueId value) const;
  void equalize_contexts(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result) const;
  const EqualizedSite& equalized_site(const CalibrationOptions& chosen, const Node& norm, ThreadPool& pool);
  void split_channels(int budget, Ranges& chosen_ranges, QuantizeOptions& result) const;
  void improve_ranges(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result,
                      Workspace& workspace) const;

  /// Ranges and options of a model without channel splits and extra bits. Throws Error when these options were not
  /// observed for.
  QuantizeOptions settle(const CalibrationOptions& chosen, Ranges& chosen_ranges, ThreadPool& pool);
  void refine(const std::vector<ExtraBits>& extra_bits, QuantizeOptions& result) const;
  Model make(const CalibrationOptions& chosen, const Ranges& chosen_ranges, const QuantizeOptions& result) const;
  Model quantize(const CalibrationOptions& decided, Workspace& workspace);

  // Decisions, each by the samples that are kept.
  Calibrated decide(const CalibrationOptions& open, Workspace& workspace);
  ProbabilityChoice choose_probabilities(const Model& plain, const Model& u16_probabilities,
                                         Workspace& workspace) const;
  VocabularyChoice choose_vocabulary_bits(const Model& with_four, Workspace& workspace) const;
  std::vector<ExtraBits> candidates() const;
  PrecisionChoice choose_extra_bits(const PrecisionOptions& wanted, const CalibrationOptions& chosen,
                                    Workspace& workspace);
  /// Measures a point of the frontier, a model with these options, and tells whether it is close enough.
  using Judge = std::function<bool(const CalibrationOptions& with, FrontierPoint& point)>;
  Judge judge(const PrecisionOptions& wanted, Workspace& workspace);
  PrecisionChoice choose(const CalibrationOptions& chosen, const std::vector<ExtraBitsGain>& ranked,
                         const Judge& reaches) const;

  TokenBatch set_aside(const TokenBatch& batch);
  Engine engine_of(const Model& quantized) const;  ///< on the reference's instruction set
  double distance(const Model& quantized, Workspace& workspace) const;

  std::shared_ptr<SpillMemory> memory;
  Engine reference;
  std::shared_ptr<const Model::Data> model;  // what is observed: the reference's, or one with rounded weights
  CalibrationOptions options;
  FloatExecutor executor;
  ValueNames inputs;       // of products in 8 bits, whose columns are observed
  ValueNames head_inputs;  // the same of the language head
  ValueNames bytes;        // which have a histogram
  std::map<std::string, Histogram, std::less<>> histograms;
  RunningQuantizers quantizers;  // of the paper's setting
  RangeObserver ranges;
  ColumnObserver columns;
  ValueNames v_blocks;  // V of every attention, whose columns' bounds are observed
  ColumnObserver v_columns;
  ValueNames sums;  // whose columns' bounds are observed
  ColumnObserver sum_columns;
  ValueNames norms;  // whose columns have one each
  KeptSamples kept;
  Snapshot older, newer;  // of the ranges, when the number of samples passed the last two powers of two
  std::int64_t samples = 0, tokens = 0;
  TokenBatch probe, held_out;  // of RangeMethod::automatic: to choose by, and to check the choice
  std::int64_t offered = 0;
  std::map<std::tuple<EqualizeMethod, WeightScales, std::string>, EqualizedSite> solved_sites;
};

}  // namespace octavo
