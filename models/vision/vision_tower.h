// The tower of pictures of models that have another one of texts: what CLIP's and SigLIP's have in common.
#pragma once

#include "models/families.h"
#include "models/parts/heads.h"
#include "models/vision/vit_body.h"

#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A tower's own config: of `clip_vision_model` config.json, of `clip` its vision_config.
JsonObject tower_config(const JsonObject& config);

/// Names of the modules; the class token and the norm before the layers are CLIP's alone.
VitNames tower_names();

/// What keys of a tower's config mean that are not there, and the image processor where no file names one.
struct TowerDefaults {
  VitConfig missing;
  std::string_view processor;
};

/// `tower` is the tower's own config.
VitConfig read_tower(const Checkpoint& checkpoint, const JsonObject& tower, const CheckpointTensors& tensors,
                     const TowerDefaults& defaults, std::vector<std::string>& warnings);

/// The classifier of the mean of all rows of `hidden` but the first `left_out`, where the checkpoint has it.
void add_mean_classifier(GraphBuilder& g, Heads& heads, int left_out);

/// The used tensors; a warning where those of texts are not.
TensorMap finish_tower(CheckpointTensors tensors, std::vector<std::string>& warnings);

}  // namespace octavo
