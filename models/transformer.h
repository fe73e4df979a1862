// One transformer layer, built the same way for every family: attention, then the feed-forward network, each with a
// residual sum and a LayerNorm before or behind it.
#pragma once

#include "models/attention_method.h"
#include "models/checkpoint.h"

#include <array>
#include <functional>
#include <string>

namespace octavo {

/// What a family calls the modules of a layer, in full.
struct LayerNames {
  std::string query, key, value;
  std::string attention;  ///< the module of gates and of the context
  std::string attention_output, attention_norm;
  std::string hidden, output, output_norm;
};

struct LayerConfig {
  int hidden_size = 0, heads = 0, head_size = 0, intermediate_size = 0;
  Activation activation = Activation::gelu;
  AttentionMask mask = AttentionMask::none;
  bool norm_before = false;  ///< LayerNorms stand before attention and feed-forward network, not behind their sums
};

/// How a family reads a module's tensors.
struct ModuleReader {
  std::function<LinearBlock(const std::string& name, int columns, int inputs)> dense;
  std::function<LayerNormOp(const std::string& name)> norm;

  /// Query, key and value; by default three dense modules.
  std::function<std::array<LinearBlock, 3>(const LayerNames& names, int width, int inputs)> projections = {};
};

/// Appends a layer whose attention has the method's softmax and the gate that the checkpoint holds. Gives its last
/// value, which is on the residual stream.
ValueId transformer_layer(GraphBuilder& g, ValueId x, const LayerNames& names, const LayerConfig& config,
                          const ModuleReader& read, CheckpointTensors& tensors, const AttentionMethod& method);

}  // namespace octavo
