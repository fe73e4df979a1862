// "attention_method" of config.json: how a checkpoint's attention differs from the ordinary one (clipped softmax,
// sinks, gates).
#pragma once

#include "graph/graph.h"
#include "io/json_object.h"
#include "models/parts/checkpoint.h"

#include <optional>

namespace octavo {

/// What is said about a model's attention, by its config.json or by its user. Tensors say the rest.
struct AttentionMethod {
  ClippedSoftmax softmax;
  std::optional<GateType> gate_type;
  std::optional<GateKind> gate_kind;
  bool gate_in_query = false;  ///< the second half of each head's rows of the query is its gate (kind query)
  GateActivation gate_activation = GateActivation::sigmoid;
  int gate_hidden = 0;  ///< hidden units of an mlp gate; 0: as its tensors have them
  double gate_scale = 1.0;
  bool factors = false;  ///< probabilities are multiplied by a factor of the key's distance (URPE)
  bool no_gate = false;  ///< config.json says in words that there is none
};

/// Reads attention_method, where `options` do not replace it. Values out of range and unknown names are an Error.
AttentionMethod read_attention_method(const JsonObject& config, const CheckpointOptions& options);

/// The gate of one attention layer; without settings there is none.
struct LayerGate {
  std::optional<GateSettings> settings;
  std::vector<LinearBlock> blocks, output;  ///< of the product that attention reads: its gate and gate_output
};

/// Of one attention layer, and what it reads.
struct AttentionSizes {
  int heads = 0, head_size = 0, columns = 0;
};

/// Width of a head by the rows of a query's weight, or of that and its gate: it need not be hidden_size / heads. Throws
/// Error that names the tensor unless that is a size that attention takes.
int head_size_of(const CheckpointTensors& tensors, const std::string& weight, int heads, const AttentionMethod& method);

/// Takes the tensors under `prefix`alpha, whose names and shapes tell the kind of gate:
///   alpha [heads]                                          unconditional_per_head
///   alpha.{h}.weight [1, slice]                            linear
///   alpha.{h}.0.weight [hidden, slice], alpha.{h}.2.weight [1, hidden]   mlp
///   alpha.weight [heads, columns]                          all_heads
///   alpha.weight [heads * head_size, columns]              dense, its bias may be missing
/// with slice = columns / heads. `prefix`g_proj.weight is read as alpha.weight, without a bias where it has none, and
/// is conditional_per_token where nothing is said. Throws Error when they contradict `method`, are missing, or leave
/// the type open.
LayerGate take_gate(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method,
                    const AttentionSizes& sizes);

/// Query and gate of a query's product `name` that makes both, [heads][2][head_size] rows (kind query).
struct QueryAndGate {
  LinearBlock query;
  LayerGate gate;
};
QueryAndGate take_gated_query(CheckpointTensors& tensors, const std::string& name, const AttentionMethod& method,
                              const AttentionSizes& sizes);

/// Takes the learned sinks of one attention layer, `prefix`sink [heads]; "" where `method` has none. Throws Error when
/// the checkpoint and `method` contradict each other.
std::string take_sink(CheckpointTensors& tensors, const std::string& prefix, const AttentionMethod& method, int heads);

/// Takes the factors of distances of one attention layer, `prefix`urpe [heads, 2 * reach + 1]; nothing where `method`
/// has none. Throws Error when the checkpoint and `method` contradict each other, or the softmax is not the ordinary
/// one.
std::optional<DistanceFactors> take_factors(CheckpointTensors& tensors, const std::string& prefix,
                                            const AttentionMethod& method, int heads);

/// Puts softmax and gate of a graph's first attention into `info`.
void describe_method(const Graph& graph, const AttentionMethod& method, ModelInfo& info);

}  // namespace octavo
