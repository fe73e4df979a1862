// The model families: each turns config.json and tensors into a graph. Nothing outside models/ knows a family's name.
#pragma once

#include "json_object.h"
#include "models/checkpoint.h"
#include "octavo/model.h"

namespace octavo {

/// BERT encoders (config.json "model_type": "bert"): post-LayerNorm, absolute positions, GELU or ReLU.
Model::Data bert_from_checkpoint(const JsonObject& config, TensorMap tensors, const CheckpointOptions& options);

}  // namespace octavo
