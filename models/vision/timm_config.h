// What timm's config.json says about a ViT beyond its tensors: model_args, and what a name of an architecture stands
// for.
#pragma once

#include "graph/graph.h"
#include "io/json_object.h"
#include "models/parts/checkpoint.h"

#include <string>
#include <vector>

namespace octavo {

/// What leaves no trace in the tensors, and which of them must be there.
struct TimmArchitecture {
  int heads = 0;
  double epsilon = 1e-6;
  Activation activation = Activation::gelu;
  bool biases = true;                    ///< of the layers' dense layers but query, key and value
  std::vector<std::string> needed = {};  ///< tensors that are there in some models, and by their name in this one
};

/// Reads "architecture" and model_args, and compares with the tensors what they show. Throws Error that names the key
/// for an architecture or an argument that octavo does not have; keys of config.json that it does not know are
/// warnings.
TimmArchitecture read_timm_architecture(const JsonObject& config, const CheckpointTensors& tensors,
                                        std::vector<std::string>& warnings);

/// global_pool: whether the head reads the mean of the patches, the checkpoint then having fc_norm, and not the class
/// token.
bool timm_mean_pooling(const JsonObject& config, const CheckpointTensors& tensors, std::vector<std::string>& warnings);

}  // namespace octavo
