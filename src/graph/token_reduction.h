// The graph of a classifier of pictures with fewer tokens behind some of its layers.
#pragma once

#include "graph/model_data.h"

#include <span>

namespace octavo {

/// What becomes of tokens behind the attention of a layer.
struct ReducedLayer {
  int layer = 0;  ///< from 0
  Reduction how = Reduction::prune;
  int removed = 1;  ///< of each sequence
};

/// The same model with reductions behind these layers, one for each at most. Throws Error naming the layer or what
/// needs all tokens; the model's name is not in it.
Model::Data with_fewer_tokens(const Model::Data& model, std::span<const ReducedLayer> reductions);

/// Multiply-adds of products and attention for one picture.
double picture_cost(const Model::Data& model);

}  // namespace octavo
