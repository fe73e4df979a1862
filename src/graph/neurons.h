// The neurons of feed-forward networks: a model that has fewer of them, or some in a network of their own.
#pragma once

#include "graph/model_data.h"

#include <map>
#include <string>
#include <vector>

namespace octavo {

/// A feed-forward network whose neurons go to one sum and nowhere else.
struct FeedForwardNodes {
  ValueId product = -1;  ///< makes the neurons, or the branches of a gated linear unit
  ValueId neurons = -1;  ///< `product`, or what the gated linear unit makes of it
  ValueId sum = -1;      ///< adds their product to the residual stream
};

/// In order of execution.
std::vector<FeedForwardNodes> find_feed_forwards(const Graph& graph);

/// What becomes of the neurons of a network, each of them by its index; those that are in neither list are gone.
struct Neurons {
  std::vector<int> kept = {};
  std::vector<int> apart = {};  ///< in a second network, whose values are called NAME.apart: they have scales of their
                                ///< own. Its sum goes first
  std::vector<float> means = {};  ///< of all neurons, by which the bias makes up for those that are gone; empty: it
                                  ///< does not
};

/// A float32 model whose networks, by the names of their sums, have these neurons; the others stay as they are.
/// Throws Error naming what is no network, an index out of range or there twice, and a network without neurons.
Model::Data with_neurons(const Model::Data& model, const std::map<std::string, Neurons>& networks);

}  // namespace octavo
