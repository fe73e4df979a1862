// What every part of the library needs to know of an op, asked once.
#pragma once

#include "graph/graph.h"

#include <iterator>
#include <string>
#include <variant>
#include <vector>

namespace octavo {

/// What is true of a node whoever looks at it.
struct OpFacts {
  std::vector<Form>
      makes;  ///< forms that its value can have in integers; none: Q, K and V, which attention alone reads
  std::vector<const LinearBlock*> blocks;  ///< what its product multiplies by, in the order of its columns
  int depth = 0;                           ///< inputs of the product; 0: it has none
  std::vector<std::string> tensors;        ///< what else it reads of the checkpoint, word tables excepted
};

OpFacts facts(const Graph& graph, const Node& node);

/// "EmbedTokens", "QkvProduct", ...: what an op is called in model files, profiles and summaries; by its place in Op.
inline constexpr const char* kOpNames[] = {"EmbedTokens", "QkvProduct", "Linear",       "LinearAdd",
                                           "LayerNorm",   "Attention",  "EmbedPatches", "SelectRows"};
static_assert(std::size(kOpNames) == std::variant_size_v<Op>);
inline const char* op_name(const Op& op) { return kOpNames[op.index()]; }

/// The form in which a node reads its first input.
Form form_read(const Node& node);

/// A product of the body of the network, whose inputs are 8-bit values of all tokens. Calibration observes its input's
/// columns; weights of heads are treated as heads' are.
bool is_body_product(const Graph& graph, const Node& node);

/// Logits of chosen tokens, which are never made for all rows at once.
bool is_chosen_logits(const Graph& graph, const Node& node);

}  // namespace octavo
