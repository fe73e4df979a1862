// "attention_method" of config.json: how a checkpoint's attention differs from the ordinary one (clipped softmax, gates).
#pragma once

#include <optional>

#include "graph.h"
#include "json_object.h"
#include "models/checkpoint.h"

namespace octavo {

struct AttentionMethod {
  ClippedSoftmax softmax;
  std::optional<GateSettings> gate;
};

/// Reads attention_method, where `options` do not replace it. Values out of range and gate kinds this engine does not run are an Error.
AttentionMethod read_attention_method(const JsonObject& config, const CheckpointOptions& options);

/// Takes the gate tensors `prefix`alpha.{h}.weight [1, slice], .bias [1] of every head. Throws Error when they contradict
/// `method`: missing, of another kind, or present although config.json names no gate.
std::vector<LinearBlock> take_gate(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method,
                                   int heads, int slice);

}  // namespace octavo
