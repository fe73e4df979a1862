// Which values of a graph calibration looks at, by name.
#pragma once

#include "graph/graph.h"

#include <set>
#include <string>

namespace octavo {

using ValueNames = std::set<std::string, std::less<>>;

/// What products of the body read.
ValueNames product_inputs(const Graph& graph);

/// What products of a vocabulary's head read, in 16 bits.
ValueNames head_inputs(const Graph& graph);

/// The 8-bit values that are quantized as they are observed: Q, K, V, contexts and activated hidden values.
ValueNames byte_values(const Graph& graph);

/// V's blocks.
ValueNames attention_values(const Graph& graph);

/// Sums of the residual stream.
ValueNames sum_values(const Graph& graph);

/// What LayerNorms make.
ValueNames norm_values(const Graph& graph);

}  // namespace octavo
