// What encoders of text have behind their last hidden state, as outputs of the graph.
#pragma once

#include "graph/graph.h"

#include <string>
#include <string_view>

namespace octavo {

/// The first token's row of each sequence.
ValueId first_token(GraphBuilder& g, ValueId hidden, const std::string& name);

/// activation(x W^T + b) of 16-bit rows, as 16-bit rows again.
ValueId head_dense(GraphBuilder& g, ValueId x, LinearBlock weights, Activation activation);

/// x W^T + b of 16-bit rows, as an output of this name.
void head_logits(GraphBuilder& g, ValueId x, LinearBlock weights, std::string_view output);

/// The modules of a masked language model's head: dense, its activation, LayerNorm, and the vocabulary's product.
struct VocabularyHead {
  LinearBlock transform;
  Activation activation = Activation::gelu;
  std::string norm_name;
  NormWeights norm;
  LinearBlock decoder;
};

/// Logits over the vocabulary of the tokens that are asked for.
void vocabulary_logits(GraphBuilder& g, ValueId hidden, VocabularyHead head, std::string_view output);

}  // namespace octavo
