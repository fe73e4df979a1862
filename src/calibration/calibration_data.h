// What a Calibrator keeps of the batches that it has seen, and what it chooses by that.
#pragma once

#include "base/spill_memory.h"
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
#include <set>
#include <string>
#include <tuple>

namespace octavo {

/// percentile and mse take every range from its histogram, automatic takes candidates from it.
inline bool takes_ranges(RangeMethod method) { return method == RangeMethod::percentile || method == RangeMethod::mse; }
inline bool uses_histograms(RangeMethod method) { return takes_ranges(method) || method == RangeMethod::automatic; }

inline bool compensates(const CalibrationOptions& options) { return options.rounding == WeightRounding::compensated; }

struct Calibrator::Data {
  struct Snapshot {
    std::int64_t samples = 0;
    Ranges ranges;
  };

  Data(std::shared_ptr<const Model::Data> m, const FloatExecutor& e, const CalibrationOptions& o,
       std::shared_ptr<SpillMemory> spill);

  void observe_parts(const RaggedBatch& batch, Workspace& workspace);
  void observe(const RaggedBatch& batch, Workspace& workspace);
  [[noreturn]] void refuse(std::string_view name, std::span<const float> values, int width,
                           const RaggedBatch& batch) const;

  // Steps of quantize(): each changes ranges and adds to the options.
  void choose_ranges(Ranges& chosen_ranges) const;
  void equalize_sites(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result) const;
  /// Rows of all products that read a value.
  std::vector<FloatRows> readers_of(ValueId value) const;
  void equalize_contexts(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result) const;
  const EqualizedSite& equalized_site(const CalibrationOptions& chosen, const Node& norm, ThreadPool& pool) const;
  void copy_neurons(int budget, Ranges& chosen_ranges, QuantizeOptions& result) const;
  void improve_ranges(const CalibrationOptions& chosen, Ranges& chosen_ranges, QuantizeOptions& result,
                      Workspace& workspace) const;

  /// Ranges and options of a model without copies and extra bits. Throws Error when these options were not observed
  /// for.
  QuantizeOptions settle(const CalibrationOptions& chosen, Ranges& chosen_ranges, ThreadPool& pool);
  PrecisionChoice choose_extra_bits(double target, const CalibrationOptions& chosen,
                                    const std::vector<ExtraBits>& candidates, const RaggedBatch& probed,
                                    Workspace& workspace,
                                    const std::function<double(const CalibrationOptions&)>& closeness);
  PrecisionChoice choose(double target, const CalibrationOptions& chosen, const std::vector<WorthOfBits>& ranked,
                         const std::function<double(const CalibrationOptions&)>& closeness) const;

  TokenBatch set_aside(const TokenBatch& batch);
  Model make(const CalibrationOptions& chosen, const Ranges& chosen_ranges, const QuantizeOptions& result) const;
  double distance(const Model& quantized, Workspace& workspace) const;

  std::shared_ptr<SpillMemory> memory;
  std::shared_ptr<const Model::Data> model;
  CalibrationOptions options;
  FloatExecutor executor;
  std::set<std::string, std::less<>> inputs;       // of products in 8 bits, whose columns are observed
  std::set<std::string, std::less<>> head_inputs;  // the same of the language head
  std::set<std::string, std::less<>> bytes;        // which have a histogram
  std::map<std::string, Histogram, std::less<>> histograms;
  RunningQuantizers quantizers;  // of the paper's setting
  RangeObserver ranges;
  ColumnObserver columns;
  std::set<std::string, std::less<>> v_blocks;  // V of every attention, whose columns' bounds are observed
  ColumnObserver v_columns;
  std::set<std::string, std::less<>> norms;  // whose columns have one each
  Snapshot older, newer;  // of the ranges, when the number of samples passed the last two powers of two
  std::int64_t samples = 0, tokens = 0;
  TokenBatch probe, held_out;  // of RangeMethod::automatic: to choose by, and to check the choice
  std::int64_t offered = 0;
  mutable std::map<std::tuple<EqualizeMethod, WeightScales, std::string>, EqualizedSite> solved_sites;
};

}  // namespace octavo
