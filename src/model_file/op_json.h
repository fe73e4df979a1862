// An op in a model file: its attributes and constants as JSON, and what its tensors must be. All of an op is in one of
// the files op_json_*.cc.
#pragma once

#include "graph/graph.h"
#include "graph/quantized.h"
#include "io/json_object.h"
#include "model_file/check_node.h"
#include "model_file/fields.h"
#include "model_file/graph_json_names.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {

/// A node of a file beside its op.
class ReadNode {
 public:
  ReadNode(const JsonObject& json, std::vector<ValueId> inputs) : json_(json), inputs_(std::move(inputs)) {}

  const JsonObject& json() const { return json_; }
  std::string name() const { return json_.text("name"); }
  int columns(int most = 1 << 24) const { return static_cast<int>(json_.integer("columns", 1, most)); }

  /// So many, or an Error.
  const std::vector<ValueId>& inputs(std::size_t count) const {
    if (inputs_.size() != count) json_.fail("inputs", std::to_string(count) + " earlier nodes");
    return inputs_;
  }
  ValueId input() const { return inputs(1)[0]; }

 private:
  const JsonObject& json_;
  std::vector<ValueId> inputs_;
};

// Specialized for each op: without its own, a new op does not link.

/// Attributes of a node, and under "integer" its constants, to or from JSON. Every number that is read is within its
/// kernel's contract afterwards.
template <typename Op>
void describe(Fields& node, Op& op, Constants<Op>& constants);

/// Makes what was read a node of the graph, whose builder checks shapes.
template <typename Op>
ValueId append(GraphBuilder& g, const ReadNode& node, Op op, const Constants<Op>& constants);

/// Throws Error unless a node's tensors are what kernels ask of them; says which forms of its value are made.
template <typename Op>
void check(NodeCheck& node, const Op& op, const Constants<Op>& constants);

// What the constants of several ops are made of.
inline constexpr std::int64_t kLargestEpsilon = std::int64_t{1} << 58;

void describe(Fields& object, std::string_view key, Encoding& encoding, int smallest_zero = 0, int largest_zero = 255);
void describe(Fields& object, std::string_view key, QuantizedBlock& block, int smallest_zero = 0);
void describe(Fields& object, std::string_view key, std::optional<QuantizedBytes>& bytes);
void describe(Fields& object, std::string_view key, QuantizedNormOutput& output, int low, int high);
void describe(Fields& object, Refined& refined);

/// Of every op that is a product of one block.
template <class Product>
void describe_product(Fields& object, Product& product) {
  object.integer("depth", product.depth, 64, kMaxColumns);
  describe(object, "block", product.block);
}

/// The block of a float model that a block of constants stands for, without tensors.
inline LinearBlock plain(const QuantizedBlock& block) {
  return {.name = block.name, .weight = "", .bias = "", .columns = block.columns};
}

}  // namespace octavo
