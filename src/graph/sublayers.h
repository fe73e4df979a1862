// The attentions and feed-forward networks of a graph, and the model without some of them.
#pragma once

#include "graph/model_data.h"

#include <span>
#include <string>
#include <vector>

namespace octavo {

/// What is added to the residual stream at once, and the LayerNorm that belongs to it: x + f(LN(x)), or LN(x + f(x)).
struct SublayerNodes {
  ValueId stream = -1;  ///< x, which takes the sublayer's place where that is removed
  ValueId sum = -1;     ///< x + f(...)
  ValueId result = -1;  ///< what later ops read as the stream: `sum`, or the LayerNorm that alone reads it
  bool attends = false;
};

/// In order of execution.
std::vector<SublayerNodes> find_sublayers(const Graph& graph);

/// A float32 model without the sublayers whose sums have these names: without their ops, and the tensors that no other
/// op reads. Throws Error naming what is no sublayer or stands there twice, and where no attention would be left.
Model::Data without_sublayers(const Model::Data& model, std::span<const std::string> names);

}  // namespace octavo
