// What is known of each op and of its constants: the one place that the library asks.
#pragma once

#include "graph/graph.h"
#include "graph/quantized.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// A block of rows of a product's weight, and the first of the columns that it reads; it reads as many as its weight
/// has.
struct ProductBlock {
  const LinearBlock* rows = nullptr;
  int first_input = 0;
};

/// What whoever looks at probabilities, or keeps keys and values, must know of attention.
struct AttentionFacts {
  int heads = 0, head_size = 0;
  int key_value_heads = 0;  ///< a divisor of `heads`
  AttentionMask mask = AttentionMask::none;
  std::optional<GateSettings> gate = {};

  /// The head of K and V that a head of Q reads.
  int key_value_head(int head) const { return head / (heads / key_value_heads); }
};

/// What is true of a node whoever looks at it.
struct OpFacts {
  std::vector<Form> makes = {};  ///< forms that its value can have in integers; none: Q, K and V, which attention alone
                                 ///< reads
  Form reads = Form::u8;         ///< form of its first input
  // its product
  std::vector<ProductBlock> blocks = {};        ///< what it multiplies by, in the order of its columns
  int depth = 0;                                ///< inputs of the product; 0: it has none
  std::vector<const LinearBlock*> values = {};  ///< those of `blocks` that are values of their own: Q, K and V, or the
                                                ///< branches of a gated linear unit
  Form values_form = Form::u8;                  ///< of those
  Activation activation = Activation::none;     ///< of the product
  bool adds = false;                            ///< adds its product to its second input, the residual stream
  // what else it does
  bool passes_column_scales =
      false;                  ///< gives sums or products of the last value of what makes its input, column by column: a
                              ///< scale of each column passes through it from V or from a gated unit's `up`
  bool keeps_codes = false;   ///< gives rows of its first input, or means of them, in that one's steps
  bool normalises = false;    ///< LayerNorm, whose gain and bias can take up a scale and a shift of each column
  bool reads_pixels = false;  ///< begins a graph of images
  std::string words = {};     ///< f32 table that it reads row by row; "" for none
  std::optional<AttentionFacts> attention = {};

  /// Where it passes column scales: the column of V or `up` that one of its columns is made from.
  int passed_column(int column) const {
    if (!attention) return column;
    const int size = attention->head_size;
    return attention->key_value_head(column / size) * size + column % size;
  }

  // tensors of the checkpoint
  std::vector<std::string> tensors = {};  ///< read beside blocks and words
  std::vector<std::string> rounded = {};  ///< rounded where the paper's weights are: tables, products, gains
};

OpFacts facts(const Graph& graph, const Node& node);

/// Heads of a product of Q, K and V.
AttentionFacts heads_of(const Graph& graph, ValueId product);

/// Its part of facts() alone, for whoever asks each time that a model is run.
std::optional<AttentionFacts> attention_facts(const Graph& graph, const Node& node);

/// "EmbedTokens", "QkvProduct", ...: what an op is called in model files, profiles and summaries.
std::string_view op_name(const Op& op);

/// An op of this name with nothing in it; none when no op is called so.
std::optional<Op> op_of_name(std::string_view name);

/// A product of the body of the network, whose inputs are 8-bit values of all tokens. Calibration observes its input's
/// columns; weights of heads are treated as heads' are.
bool is_body_product(const Graph& graph, const Node& node);

/// Logits of chosen tokens, which are never made for all rows at once.
bool is_chosen_logits(const Graph& graph, const Node& node);

/// Codes that a node makes, where the integer executor's NodeCodes have them.
struct CodedValue {
  enum class Place { stream, bytes, query, key, value };
  Place place = Place::stream;
  std::string name = {};  ///< of a block; "" for the node's own
  int columns = 0;        ///< 0: the node's own
  Encoding encoding = {};
  int low = -32768, high = 32767;        ///< codes at which values saturate
  Refined refined = {};                  ///< of bytes
  std::vector<float> column_scale = {};  ///< a code is worth that many times its scale; empty: once
};

/// What is true of the constants of a node.
struct ConstantsFacts {
  std::optional<Encoding> output = {};  ///< of the 16- or 32-bit codes that it makes; none: it makes bytes alone
  std::vector<CodedValue> values = {};  ///< of the body of a network, to be compared with float32's
};

ConstantsFacts facts(const QuantizedOp& constants);

/// The encodings of what a node makes, for people: "u8 scale 0.01 zero 128, stream s16 scale ...".
std::string describe_encodings(const QuantizedOp& constants);

/// Of the codes that an output of the graph gives. Throws Error for an op whose value is 8 bits alone.
Encoding output_encoding(const QuantizedOp& constants);

}  // namespace octavo
