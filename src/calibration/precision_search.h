// What extra bits are worth, and what they cost: the order in which a search for precision gives them.
#pragma once

#include "calibration/auto_ranges.h"
#include "float/float_executor.h"
#include "quantize/quantize.h"

#include "octavo/calibration.h"

#include <span>
#include <vector>

namespace octavo {

/// Extra bits with the error that they take away and the work that they add.
struct ExtraBitsGain {
  ExtraBits bits;
  double error = 0.0;  ///< squared, relative, mean over rows of what is judged, when only this is rounded to 8 bits
  double cost = 0.0;   ///< multiply-adds per token
};

/// Multiply-adds per token of all products that read 8-bit values, heads left out.
double product_cost(const Graph& graph);

class PrecisionSearch {
 public:
  /// `ranges` and `options` are those of the model without extra bits, `judged` is the value by whose error they are
  /// ranked; its rows are not chosen tokens.
  PrecisionSearch(const FloatExecutor& executor, const Model::Data& model, const Ranges& ranges,
                  const QuantizeOptions& options, ValueId judged)
      : executor_(executor), model_(model), ranges_(ranges), options_(options), judged_(judged) {}

  /// `candidates` with what is gained most per multiply-add first, by float32 runs over the batch with one value or the
  /// weights of one product rounded at a time (techniques F7: LRP-QViT, MPTQ-ViT).
  std::vector<ExtraBitsGain> ranked(std::span<const ExtraBits> candidates, const RaggedBatch& batch,
                                    Workspace::Data& workspace) const;

 private:
  ExtraBitsGain gain(const ExtraBits& bits, const Tensor& exact, const RaggedBatch& batch,
                     Workspace::Data& workspace) const;
  Rounding rounding(const Node& node) const;
  /// Weights of a product as 8 bits keep them.
  TensorMap rounded_weights(const Node& reader, const Equalization* equalization) const;
  const Equalization* equalization(const std::string& value) const;

  const FloatExecutor& executor_;
  const Model::Data& model_;
  const Ranges& ranges_;
  const QuantizeOptions& options_;
  ValueId judged_;
};

}  // namespace octavo
