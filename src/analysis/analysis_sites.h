// Where a graph has quantizers: the values that an analysis looks at, what they are called, and what helps against
// their errors.
#pragma once

#include "graph/graph.h"

#include <string>
#include <string_view>
#include <vector>

namespace octavo {

struct Site {
  std::string name;
  std::string kind;
  bool in_kurtosis = false;  ///< the paper averages kurtosis over it: FFN outputs and layer outputs
};

/// Every activation that the paper quantizes, in order of execution: up to the last hidden state, without heads.
std::vector<Site> activation_sites(const Graph& graph);

/// Every weight tensor of a product or an embedding before there, with the kind of its op.
std::vector<Site> weight_sites(const Graph& graph);

/// What helps where this kind of value loses accuracy.
std::string remedy(std::string_view kind);

constexpr const char* kFfnOutput = "FFN output";

}  // namespace octavo
