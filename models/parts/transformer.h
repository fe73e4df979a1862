// One transformer layer, built the same way for every family: attention, then the feed-forward network, each with a
// residual sum and a LayerNorm before or behind it.
#pragma once

#include "models/parts/attention_method.h"
#include "models/parts/modules.h"

#include <optional>
#include <string>

namespace octavo {

/// What a family calls the modules of a layer, in full.
struct LayerNames {
  std::string query = {}, key = {}, value = {};  ///< modules of their own, or
  std::string qkv = {};                          ///< thirds of this one
  std::string attention;                         ///< the module of gates and of the context
  std::string attention_output, attention_norm;  ///< no norm: ""
  std::string attention_scale = {};        ///< tensor that the columns of attention's output are multiplied by, or ""
  std::string hidden = {};                 ///< of a feed-forward network without a gate, or
  std::string glu_gate = {}, glu_up = {};  ///< both branches of one with a gate: modules of their own, or
  std::string glu = {};                    ///< halves of this one
  std::string sum_norm = {};               ///< behind attention's sum, whose result is the stream (CCT); no norm: ""
  std::string output, output_norm;
  std::string output_scale = {};  ///< the same of the feed-forward network
};

struct LayerConfig {
  int hidden_size = 0, heads = 0, head_size = 0, intermediate_size = 0;
  int key_value_heads = 0;  ///< a divisor of `heads`; 0: as many
  Activation activation = Activation::gelu;
  AttentionMask mask = AttentionMask::none;
  std::optional<ScoreBias> bias = {};  ///< of all layers
  std::optional<RotaryPositions> rotary = {};
  int window = 0;              ///< of keys on either side of a query; 0: all
  bool glu_gate_first = true;  ///< of the halves
  bool norm_before = false;    ///< LayerNorms stand before attention and feed-forward network, not behind their sums
};

/// Appends a layer whose attention has the method's softmax and the gate that the checkpoint holds. Gives its last
/// value, which is on the residual stream.
ValueId transformer_layer(GraphBuilder& g, ValueId x, const LayerNames& names, const LayerConfig& config,
                          Modules& modules, const AttentionMethod& method);

/// x W^T + b of normalised embeddings, where the residual stream has another width: its first value.
ValueId project_embeddings(GraphBuilder& g, ValueId x, LinearBlock weights);

}  // namespace octavo
