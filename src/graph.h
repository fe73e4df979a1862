// A model as a list of fused ops over named values. Built once by one function per model family, executed by two
// executors: float32 (reference, calibration) and integer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "octavo/model.h"

namespace octavo {

/// Index of a value in Graph::values.
using ValueId = std::int32_t;

/// What flows between ops: a matrix with one row per token.
struct Value {
  std::string name;  ///< the checkpoint's name of the module that makes it, e.g. "encoder.layer.0.attention.output.dense"
  int columns = 0;
};

enum class Activation { none, gelu, relu };

/// Sum of embedding rows -> residual stream. Weights are names of f32 tensors [count, columns].
struct EmbedTokens {
  std::string word, position;
  std::string type;  ///< "" when the model has no token types
};

/// One block of rows of a linear layer's weight: y[:, block] = x W^T + b, each block its own value and encoding.
struct LinearBlock {
  std::string name;    ///< of what it computes, the checkpoint's module name
  std::string weight;  ///< f32 [columns, input columns]
  std::string bias;    ///< f32 [columns], or "" for none
  int columns = 0;
};

/// What makes a conditional gate's logits. Head h of the first two reads only slice h of the input's columns.
enum class GateKind {
  linear,     ///< a Linear per head, slice -> 1
  mlp,        ///< a Linear per head, slice -> hidden units, ReLU, and another one, hidden units -> 1
  all_heads,  ///< one Linear of all columns -> heads
};

/// Q, K, V and the conditional gate's columns in one product of the same input: one block each, in that order.
struct QkvProduct {
  LinearBlock query, key, value;
  int heads = 0, head_size = 0;
  GateKind gate_kind = GateKind::linear;
  bool gate_mean = false;                ///< logits are averaged over each sequence's tokens (conditional_per_head)
  std::vector<LinearBlock> gate;         ///< linear: [1, slice] per head; mlp: [hidden, slice]; all_heads: one [heads, columns]
  std::vector<LinearBlock> gate_output;  ///< mlp: [1, hidden] per head, over the ReLU of its block of `gate`
};

/// Columns that the gate adds to the product: logits, or an mlp's hidden units.
int gate_columns(const QkvProduct& op);

/// y = activation(x W^T + b).
struct Linear {
  LinearBlock weights;
  Activation activation = Activation::none;
};

/// y = x W^T + b + residual, onto the residual stream: input 0 is x, input 1 the stream.
struct LinearAdd {
  LinearBlock weights;
};

/// y = (x - mean) / sqrt(variance + epsilon) * gain + bias over the columns of the stream. In a post-LN model the result is both the next
/// GEMM's input and the new stream.
struct LayerNormOp {
  std::string gain, bias;
  double epsilon = 0.0;
};

enum class AttentionMask { none, causal };

struct GateSettings {
  GateType type = GateType::conditional_per_token;
  GateKind kind = GateKind::linear;  ///< of a conditional gate
  double scale = 1.0;
  std::string logits;  ///< unconditional_per_head: f32 [heads]
};

/// softmax(Q K^T / sqrt(head_size)), clipped, times V, times the gate. Input: the value of a QkvProduct, which makes the
/// logits of a conditional gate.
struct AttentionOp {
  int heads = 0, head_size = 0;
  AttentionMask mask = AttentionMask::none;
  ClippedSoftmax softmax;
  std::optional<GateSettings> gate;
};

using Op = std::variant<EmbedTokens, QkvProduct, Linear, LinearAdd, LayerNormOp, AttentionOp>;

struct Node {
  Op op;
  std::vector<ValueId> inputs;
  ValueId output = -1;
};

/// Nodes in order of execution; the last node's output is the model's last hidden state.
struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;

  const std::string& name(ValueId id) const { return values.at(static_cast<std::size_t>(id)).name; }
  int columns(ValueId id) const { return values.at(static_cast<std::size_t>(id)).columns; }
};

/// Appends ops and checks shapes as it goes: an Error names the value and both shapes.
class GraphBuilder {
 public:
  ValueId embed_tokens(const std::string& name, int columns, EmbedTokens op);
  ValueId qkv(const std::string& name, ValueId x, QkvProduct op);
  ValueId linear(const std::string& name, ValueId x, Linear op);
  ValueId linear_add(const std::string& name, ValueId x, ValueId stream, LinearAdd op);
  ValueId layer_norm(const std::string& name, ValueId x, LayerNormOp op);
  ValueId attention(const std::string& name, ValueId qkv, AttentionOp op);

  /// Gives the graph away.
  Graph finish() { return std::move(graph_); }

 private:
  ValueId append(std::string name, int columns, Op op, std::vector<ValueId> inputs);
  Graph graph_;
};

}  // namespace octavo
