// Ranges chosen value by value: the one with which the attention or feed-forward block of the value ends nearest to
// float32.
#pragma once

#include "base/fixed_point.h"
#include "float/float_executor.h"
#include "quantize/quantize.h"

#include <map>
#include <string>
#include <vector>

namespace octavo {

/// How one value is rounded where a product or attention reads it.
struct Rounding {
  Quantizer quantizer;
  const Equalization* equalization = nullptr;
  std::vector<int> channel_splits = {};  ///< per column; empty: once

  void apply(std::span<float> values, int columns) const;
};

/// Runs the float model on a batch with one value rounded.
class BlockError {
 public:
  BlockError(const FloatExecutor& executor, const Graph& graph, RaggedBatch batch, Workspace::Data& workspace);

  /// Squared error of the first LayerNorm after the node that makes `value`, which is a node's value or a block's.
  double error(const std::string& value, const Rounding& rounding) const;

 private:
  std::string end_of_block(const std::string& value) const;

  const FloatExecutor& executor_;
  const Graph& graph_;
  RaggedBatch batch_;
  Workspace::Data& workspace_;
  std::map<std::string, std::vector<float>, std::less<>> exact_;  // by LayerNorm
};

}  // namespace octavo
