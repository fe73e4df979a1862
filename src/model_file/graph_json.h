// Graph and integer constants of a quantized model as JSON, for a model file's metadata.
#pragma once

#include "graph/graph.h"
#include "graph/quantized.h"
#include "io/json_object.h"

namespace octavo {

/// One object per node: {"op", "name", "inputs", attributes, "integer": {constants}}.
nlohmann::json nodes_to_json(const Graph& graph, const QuantizedGraph& integer);

/// {"last_hidden_state": 37, ...}: indices of nodes.
nlohmann::json outputs_to_json(const Graph& graph);

/// Tensors that files of another age name otherwise: names that begin with `from` begin with `to`.
struct Renamed {
  std::string from, to;
};

/// What read_graph() makes.
struct GraphFromJson {
  Graph graph;
  QuantizedGraph integer;
  std::vector<Renamed> renamed;
};

/// Rebuilds graph and constants. Throws Error naming the key; every number is within its kernel's contract afterwards.
GraphFromJson read_graph(const JsonObject& json);

}  // namespace octavo
