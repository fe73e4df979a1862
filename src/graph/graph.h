// A model as a list of fused ops over named values. Built once by one function per model family, executed by two
// executors: float32 (reference, calibration) and integer.
#pragma once

#include "octavo/model.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace octavo {

/// Index of a value in Graph::values.
using ValueId = std::int32_t;

/// What flows between ops: a matrix with one row per token.
struct Value {
  std::string
      name;  ///< the checkpoint's name of the module that makes it, e.g. "encoder.layer.0.attention.output.dense"
  int columns = 0;
};

enum class Activation { none, gelu, relu };

/// Sum of embedding rows -> residual stream. Weights are names of f32 tensors [count, columns].
struct EmbedTokens {
  std::string word, position;
  std::string type;  ///< "" when the model has no token types
  std::string projection =
      {};  ///< f32 [columns, columns of word], which word rows are multiplied by (OPT's project_in); "" for none
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
  bool gate_mean = false;  ///< logits are averaged over each sequence's tokens (conditional_per_head)
  std::vector<LinearBlock>
      gate;  ///< linear: [1, slice] per head; mlp: [hidden, slice]; all_heads: one [heads, columns]
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

/// y = (x - mean) / sqrt(variance + epsilon) * gain + bias over the columns of the stream. In a post-LN model the
/// result is both the next GEMM's input and the new stream.
struct LayerNormOp {
  std::string gain, bias;
  double epsilon = 0.0;
};

/// Learned rows that stand before the patches of an image: class, distillation, register tokens.
struct PrefixRows {
  std::string token;  ///< f32 [..., rows, columns]
  int rows = 1;
  int position = -1;  ///< row of the position table that the first one adds; -1: none do
};

/// 8-bit RGB pixels -> residual stream: the prefix rows, then x W^T + b + position of each patch, x = (pixel / 255 -
/// mean) / deviation. Patches go row by row; a patch's pixels are in the order of the weight, [3, patch_size,
/// patch_size].
struct EmbedPatches {
  LinearBlock projection;
  int patch_size = 0;
  int grid_width = 0, grid_height = 0;  ///< patches of an image
  std::vector<PrefixRows> prefix;
  std::string position;             ///< f32 [..., columns]
  int first_position = 0;           ///< row of the position table that the first patch adds
  std::optional<LayerNormOp> norm;  ///< of the patches, before their positions are added
  std::array<double, 3> mean = {}, deviation = {1.0, 1.0, 1.0};

  int prefix_rows() const {
    int rows = 0;
    for (const PrefixRows& each : prefix) rows += each.rows;
    return rows;
  }
  int patches() const { return grid_width * grid_height; }
};

/// Which rows of a sequence a Head reads.
enum class HeadRows {
  first,  ///< the first `rows` of them, side by side
  mean,   ///< the mean of all but the first `rows`
};

/// Logits of each sequence from the residual stream: rows, normalised, times W^T + b. Its value has one row per
/// sequence, and no op reads it.
struct Head {
  HeadRows pooling = HeadRows::first;
  int rows = 1;
  LayerNormOp norm;     ///< of each row that is read
  LinearBlock weights;  ///< over `rows` times the stream's columns with HeadRows::first

  /// Rows that lie side by side in what the product reads.
  int rows_side_by_side() const { return pooling == HeadRows::first ? rows : 1; }
};

/// Logits of the next token from rows of the residual stream: (x P^T + p) W^T + b. Its value has one row per row that
/// is asked for, and no op reads it.
struct LanguageHead {
  std::optional<LinearBlock> projection = {};  ///< OPT's project_out
  LinearBlock weights;                         ///< a column per token of the vocabulary
};

enum class AttentionMask { none, causal };

struct GateSettings {
  GateType type = GateType::conditional_per_token;
  GateKind kind = GateKind::linear;  ///< of a conditional gate
  double scale = 1.0;
  std::string logits;  ///< unconditional_per_head: f32 [heads]
};

/// softmax(Q K^T / sqrt(head_size)), clipped, times V, times the gate. Input: the value of a QkvProduct, which makes
/// the logits of a conditional gate.
struct AttentionOp {
  int heads = 0, head_size = 0;
  AttentionMask mask = AttentionMask::none;
  ClippedSoftmax softmax;
  std::optional<GateSettings> gate;
};

using Op = std::variant<EmbedTokens, QkvProduct, Linear, LinearAdd, LayerNormOp, AttentionOp, EmbedPatches, Head,
                        LanguageHead>;

/// "EmbedTokens", "QkvProduct", "Linear", ...
const char* op_name(const Op& op);

/// A Head of either kind: it stands beside the graph's flow, and the executors run it when its logits are asked for.
bool is_head(const Op& op);

struct Node {
  Op op;
  std::vector<ValueId> inputs;
  ValueId output = -1;
};

/// Nodes in order of execution; the output of the last one that is no head is the model's last hidden state.
struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;

  const std::string& name(ValueId id) const { return values.at(static_cast<std::size_t>(id)).name; }
  int columns(ValueId id) const { return values.at(static_cast<std::size_t>(id)).columns; }

  /// The last hidden state.
  ValueId hidden() const;

  /// The node of the Head; null when the graph has none.
  const Node* head() const;

  /// The node of the LanguageHead; null when the graph has none. It reads the last hidden state.
  const Node* language_head() const;
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
  ValueId embed_patches(const std::string& name, int columns, EmbedPatches op);
  ValueId head(const std::string& name, ValueId stream, Head op);
  ValueId language_head(const std::string& name, ValueId stream, LanguageHead op);

  /// Gives the graph away.
  Graph finish() { return std::move(graph_); }

 private:
  ValueId append(std::string name, int columns, Op op, std::vector<ValueId> inputs);
  Graph graph_;
};

}  // namespace octavo
