// "attention_method" of config.json: how a checkpoint's attention differs from the ordinary one (clipped softmax,
// sinks, gates).
#pragma once

#include "graph/graph.h"
#include "io/json_object.h"
#include "models/checkpoint.h"

#include <optional>

namespace octavo {

/// What is said about a model's attention, by its config.json or by its user. Tensors say the rest.
struct AttentionMethod {
  ClippedSoftmax softmax;
  std::optional<GateType> gate_type;
  std::optional<GateKind> gate_kind;
  int gate_hidden = 0;  ///< hidden units of an mlp gate; 0: as its tensors have them
  double gate_scale = 1.0;
  bool no_gate = false;  ///< config.json says in words that there is none
};

/// Reads attention_method, where `options` do not replace it. Values out of range and unknown names are an Error.
AttentionMethod read_attention_method(const JsonObject& config, const CheckpointOptions& options);

/// The gate of one attention layer; without settings there is none.
struct LayerGate {
  std::optional<GateSettings> settings;
  std::vector<LinearBlock> blocks, output;  ///< of the product that attention reads: its gate and gate_output
};

/// Takes the tensors under `prefix`alpha, whose names and shapes tell the kind of gate:
///   alpha [heads]                                          unconditional_per_head
///   alpha.{h}.weight [1, slice]                            linear
///   alpha.{h}.0.weight [hidden, slice], alpha.{h}.2.weight [1, hidden]   mlp
///   alpha.weight [heads, columns]                          all_heads
/// with slice = columns / heads. Throws Error when they contradict `method`, are missing, or leave the type open.
LayerGate take_gate(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method, int heads,
                    int columns);

/// Takes the learned sinks of one attention layer, `prefix`sink [heads]; "" where `method` has none. Throws Error when
/// the checkpoint and `method` contradict each other.
std::string take_sink(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method, int heads);

/// Puts softmax and gate of a graph's first attention into `info`.
void describe_method(const Graph& graph, const AttentionMethod& method, ModelInfo& info);

}  // namespace octavo
