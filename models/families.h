// The model families: each turns config.json and tensors into a graph. Nothing outside models/ knows a family's name.
#pragma once

#include "io/json_object.h"
#include "models/checkpoint.h"

#include "octavo/model.h"

#include <optional>

namespace octavo {

/// BERT encoders (config.json "model_type": "bert"): post-LayerNorm, absolute positions, GELU or ReLU.
Model::Data bert_from_checkpoint(const JsonObject& config, TensorMap tensors, const CheckpointOptions& options);

/// OPT decoders ("model_type": "opt") of any size: pre- or post-LayerNorm, ReLU or GELU.
Model::Data opt_from_checkpoint(const JsonObject& config, TensorMap tensors, const CheckpointOptions& options);

/// ViT and DeiT image encoders: timm's config.json ("architecture"), or Hugging Face's ("model_type": "vit" or "deit")
/// with its image processor, nothing when the directory has none.
Model::Data vit_from_checkpoint(const JsonObject& config, const std::optional<JsonObject>& processor, TensorMap tensors,
                                const CheckpointOptions& options);

}  // namespace octavo
