// The attentions of a graph: the model that has fewer heads in them, or queries that see fewer keys.
#pragma once

#include "graph/model_data.h"

#include <map>
#include <string>
#include <vector>

namespace octavo {

/// An attention whose context goes to one sum and nowhere else.
struct AttentionNodes {
  ValueId product = -1;  ///< makes Q, K, V and the gate's logits
  ValueId context = -1;  ///< what the heads make
  ValueId sum = -1;      ///< adds their product to the residual stream
  int key_value_heads = 0;
  int group_columns = 0;  ///< of the context, of the heads that share one of K and V
};

/// In order of execution.
std::vector<AttentionNodes> find_attentions(const Graph& graph);

/// Heads of K and V that are kept, each with the heads of Q that share it.
struct KeptHeads {
  std::vector<int> kept = {};
  std::vector<float> means = {};  ///< of all columns of the context, by which the bias makes up for heads that are
                                  ///< gone; empty: it does not
};

/// A float32 model whose attentions, by the names of their sums, have only these heads. Throws Error naming what is no
/// attention, an index out of range or there twice, an attention without heads, and one whose gates are MLPs over
/// slices of their input, which belong to places of heads.
Model::Data with_heads(const Model::Data& model, const std::map<std::string, KeptHeads>& attentions);

/// Lets queries of an attention see the keys of so many largest scores alone. Throws Error where the attention has a
/// window or factors of distances.
void set_most_keys(Model::Data& model, const AttentionNodes& nodes, int most_keys);

}  // namespace octavo
