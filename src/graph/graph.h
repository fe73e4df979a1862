// A model as a list of fused ops over named values. Built once by one function per model family, executed by two
// executors: float32 (reference, calibration) and integer.
#pragma once

#include "octavo/model.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace octavo {

/// Columns that a product may read, so that its sums fit 32 bits, and hidden units or classes that it may make.
inline constexpr int kMaxColumns = 32768;

/// Index of a value in Graph::values.
using ValueId = std::int32_t;

/// What flows between ops: a matrix.
struct Value {
  std::string name;  ///< the checkpoint's name of the module that makes it: "encoder.layer.0.attention.output.dense"
  int columns = 0;
  RowKind rows = RowKind::token;  ///< what one row stands for
  int removed = 0;                ///< of rows of tokens: how many each sequence has fewer than tokens (ReduceTokens)
  bool merged = false;            ///< some of these rows stand for several tokens
};

/// How the codes of a value are held: one byte for the next product, 16 bits for sums and for what heads read, 32 bits
/// for logits.
enum class Form { u8, s16, s32 };

enum class Activation {
  none,
  gelu,  ///< x Phi(x), with erf
  relu,
  tanh,
  gelu_new,    ///< GELU by tanh: gelu_pytorch_tanh, gelu_fast
  quick_gelu,  ///< x sigmoid(1.702 x)
  silu         ///< x sigmoid(x)
};

/// Sum of embedding rows -> residual stream. Weights are names of f32 tensors [count, columns].
struct EmbedTokens {
  std::string word;
  std::string position;         ///< "" when positions are not added to words
  std::string type;             ///< "" when the model has no token types
  std::string projection = {};  ///< f32 [columns, columns of word], which word rows are multiplied by (OPT's
                                ///< project_in); "" for none
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
  dense,      ///< one Linear of all columns -> heads * head_size, a logit for each element of the context
};

/// What makes a gate of its logit.
enum class GateActivation {
  sigmoid,
  softplus,  ///< ln(1 + exp(x)), which may exceed 1
};

/// Rotary positions (Su et al. 2021, RoFormer, eq. 15): columns j and j + head_size / 2 of a head of Q and K are turned
/// by the angle of the token's position and of j. `table`: f32 [positions, head_size], of each position the cosines of
/// all angles, then the sines.
struct RotaryPositions {
  std::string table;
};

/// Q, K, V and the conditional gate's columns in one product of the same input: one block each, in that order. K and V
/// may have fewer heads, each shared by as many heads of Q in a row (Ainslie et al. 2023, GQA).
struct QkvProduct {
  LinearBlock query, key, value;
  int heads = 0, head_size = 0;
  GateKind gate_kind = GateKind::linear;
  bool gate_mean = false;  ///< logits are averaged over each sequence's tokens (conditional_per_head)
  std::vector<LinearBlock>
      gate;  ///< linear: [1, slice] per head; mlp: [hidden, slice]; all_heads: one [heads, columns]; dense: one [heads
             ///< * head_size, columns]
  std::vector<LinearBlock> gate_output;  ///< mlp: [1, hidden] per head, over the ReLU of its block of `gate`
  std::optional<RotaryPositions> rotary = {};

  std::array<const LinearBlock*, 3> qkv() const { return {&query, &key, &value}; }
  int key_value_heads() const { return key.columns / head_size; }
};

/// Columns that the gate adds to the product: logits, or an mlp's hidden units.
int gate_columns(const QkvProduct& op);

/// y = activation(x W^T + b). The body of a network reads and makes bytes. A head reads 16-bit rows, exactly, and makes
/// 16-bit rows for the head's next op, or logits. So does what brings embeddings to the width of the stream; where
/// nothing is between, the rows are bytes for the next product as well.
struct Linear {
  LinearBlock weights;
  Activation activation = Activation::none;
  Form reads = Form::u8;  ///< u8 or s16
  Form makes = Form::u8;  ///< u8; s16 from s16; s32 without an activation
};

/// The two branches of a gated linear unit in one product of the same input, a block each. Without `up`, of no columns,
/// the unit is the activation alone: that of a feed-forward network whose activation needs a table (tanh).
struct GluProduct {
  LinearBlock gate, up;

  bool has_up() const { return up.columns > 0; }
};

/// y = activation(gate) * up (Shazeer 2020, GLU Variants Improve Transformer, eq. 5). Input: the value of a GluProduct.
struct GluOp {
  Activation activation = Activation::silu;
};

/// y = x W^T + b + residual, onto the residual stream: input 0 is x, input 1 the stream.
struct LinearAdd {
  LinearBlock weights;
};

/// A LayerNorm module: f32 [columns] each.
struct NormWeights {
  std::string gain, bias;
  double epsilon = 0.0;
  bool rms = false;  ///< RMSNorm (Zhang and Sennrich 2019, eq. 4): 0 in place of the mean
};

/// y = (x - mean) / sqrt(variance + epsilon) * gain + bias over the columns of a 16-bit value. In a post-LN model the
/// result is both the next product's input and the new residual stream.
struct LayerNormOp {
  NormWeights weights;
  int groups = 1;  ///< equal slices of the columns, each normalised on its own, with the same gain and bias
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
  std::optional<NormWeights> norm;  ///< of the patches, before their positions are added
  std::array<double, 3> mean = {}, deviation = {1.0, 1.0, 1.0};

  int prefix_rows() const {
    int rows = 0;
    for (const PrefixRows& each : prefix) rows += each.rows;
    return rows;
  }
  int patches() const { return grid_width * grid_height; }
  int inputs() const { return 3 * patch_size * patch_size; }
};

/// One convolution of a picture, then ReLU, then the largest value of each window (Hassani et al. 2021, CCT, eq. 2).
/// What lies outside the picture is 0. Windows of one value leave it as it is.
struct Convolution {
  LinearBlock weights;  ///< f32 [columns, channels, kernel, kernel]
  int kernel = 3, stride = 1, padding = 1;
  int window = 3, window_stride = 2, window_padding = 1;

  /// Edges of what the convolution and then the windows make of one edge; 0 or less where nothing is left.
  int convolved(int edge) const { return (edge + 2 * padding - kernel) / stride + 1; }
  int pooled(int edge) const { return (convolved(edge) + 2 * window_padding - window) / window_stride + 1; }
};

/// 8-bit RGB pixels -> residual stream: what one or more convolutions make of x = (pixel / 255 - mean) / deviation, a
/// token for each place, row by row, + its position.
struct EmbedConvolutions {
  int width = 0, height = 0;  ///< of a picture
  std::vector<Convolution> layers;
  std::string position;  ///< f32 [..., tokens, columns]; "" for none
  std::array<double, 3> mean = {}, deviation = {1.0, 1.0, 1.0};

  /// Edges of the grid of tokens, or of what layer `layers` reads.
  int grid_width(std::size_t layers) const;
  int grid_height(std::size_t layers) const;
  int tokens() const { return grid_width(layers.size()) * grid_height(layers.size()); }
  int channels(std::size_t layer) const { return layer == 0 ? 3 : layers[layer - 1].weights.columns; }
  int inputs(std::size_t layer) const { return channels(layer) * layers[layer].kernel * layers[layer].kernel; }
};

enum class AttentionMask { none, causal };

struct GateSettings {
  GateType type = GateType::conditional_per_token;
  GateKind kind = GateKind::linear;  ///< of a conditional gate; dense where it is per element, and only there
  GateActivation activation = GateActivation::sigmoid;
  double scale = 1.0;
  std::string logits;  ///< unconditional_per_head: f32 [heads]
};

/// What is added to scaled scores, by head and by where the key stands from the query: how far behind it, or, in a
/// picture of a class token and patches, how many rows below it and columns to the right.
struct ScoreBias {
  std::string table;  ///< f32 [heads, entries()]
  int reach = 0;      ///< distances are -reach to reach; keys that are farther away have the value at the end
  int grid_width = 0, grid_height = 0;  ///< of the patches; 0: by distance

  bool on_grid() const { return grid_width > 0; }

  /// On a grid row after row, from as many above and to the left as it has; then the class token to patches, patches to
  /// it, and it to itself.
  int entries() const { return on_grid() ? (2 * grid_height - 1) * (2 * grid_width - 1) + 3 : 2 * reach + 1; }

  /// The place in the table of a query and a key.
  int entry(int query, int key) const;
};

/// What probabilities are multiplied by, by head and by how far the key stands behind the query (Luo et al. 2022, URPE,
/// eq. 9: a Toeplitz matrix). Keys that are farther away than `reach` have the factor at the end.
struct DistanceFactors {
  std::string table;  ///< f32 [heads, 2 * reach + 1]
  int reach = 0;
};

/// softmax(Q K^T / sqrt(head_size) + bias), clipped, times factors, times V, times the gate. Where softmax.sink says
/// so, the softmax has one key more, without a value, whose scaled score is the head's own. Input: the value of a
/// QkvProduct, which makes the logits of a conditional gate.
struct AttentionOp {
  int heads = 0, head_size = 0;
  AttentionMask mask = AttentionMask::none;
  ClippedSoftmax softmax;
  std::optional<GateSettings> gate;
  std::optional<ScoreBias> bias = {};
  std::string sink = {};  ///< f32 [heads]; "" for none
  int window = 0;         ///< most places between a query and a key that it sees, on either side; 0: it sees all
  int most_keys = 0;      ///< of these it sees those of the so many largest scores, and those equal to the last of
                          ///< them: hard attention; 0: all
  std::optional<DistanceFactors> factors = {};  ///< of an ordinary softmax
};

/// Which rows of tokens SelectRows takes.
enum class Selection {
  first,           ///< the first `count` rows of each sequence, side by side: one row per sequence
  mean,            ///< the mean of all rows of each sequence but the first `count`: one row per sequence
  first_and_mean,  ///< the first row of each sequence, beside it the mean of all but the first `count`: one row per
                   ///< sequence
  chosen,          ///< those that whoever runs the model asks for: one row each
  weighted,  ///< the mean of all rows of each sequence by the softmax of a score each, the second input (Hassani et
             ///< al. 2021, CCT, eq. 3 to 5): one row per sequence
};

/// Rows of a 16-bit value with a row per token, for a head to read.
struct SelectRows {
  Selection selection = Selection::first;
  int count = 1;

  /// Rows that lie side by side in one row of the result.
  int side_by_side() const {
    return selection == Selection::first ? count : selection == Selection::first_and_mean ? 2 : 1;
  }
};

/// Which tokens ReduceTokens does without.
enum class Reduction {
  prune,  ///< those that the class token reads least are dropped
  merge,  ///< those most like another one become the mean of both, which attention reads as often as tokens are in it
};

/// Fewer tokens from here on: input 0 is the residual stream, input 1 the product of Q, K and V by which they are
/// chosen. Each sequence loses as many patches, of those that are left the order stays, and class, distillation and
/// register tokens stay always.
struct ReduceTokens {
  Reduction how = Reduction::prune;
  int removed = 1;  ///< of each sequence
};

/// A new op is a struct here and its constants in quantized.h, an overload for each in op_facts.cc, and one file in
/// each of float/, integer/, quantize/ and model_file/: until all of them have answered for it, nothing compiles or
/// links.
using Op = std::variant<EmbedTokens, QkvProduct, Linear, LinearAdd, LayerNormOp, AttentionOp, EmbedPatches, SelectRows,
                        GluProduct, GluOp, ReduceTokens, EmbedConvolutions>;

struct Node {
  Op op;
  std::vector<ValueId> inputs;
  ValueId output = -1;
};

/// A value that callers ask for by name.
struct GraphOutput {
  std::string name;
  ValueId value = -1;
};

/// Names of the outputs that the library itself asks for, as in transformers.
inline constexpr std::string_view kHiddenState = "last_hidden_state", kLogits = "logits";

/// Nodes in order of execution: node i makes value i.
struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<GraphOutput> outputs;

  const Value& value(ValueId id) const { return values.at(static_cast<std::size_t>(id)); }
  const std::string& name(ValueId id) const { return value(id).name; }
  int columns(ValueId id) const { return value(id).columns; }

  /// The node that makes a value.
  const Node& producer(ValueId id) const { return nodes.at(static_cast<std::size_t>(id)); }

  /// The output of this name; null when there is none.
  const GraphOutput* find_output(std::string_view name) const;

  /// The last hidden state, which every graph has. Throws Error when it has none.
  ValueId hidden() const;

  /// By node: whether `value` is made from what it makes. An executor runs only those.
  std::vector<bool> needed_for(ValueId value) const;
};

/// Name, columns and rows of each output.
std::vector<OutputInfo> describe_outputs(const Graph& graph);

/// Appends ops and checks shapes as it goes: an Error names the value and both shapes.
class GraphBuilder {
 public:
  ValueId embed_tokens(const std::string& name, int columns, EmbedTokens op);
  ValueId qkv(const std::string& name, ValueId x, QkvProduct op);
  ValueId linear(const std::string& name, ValueId x, Linear op);
  ValueId linear_add(const std::string& name, ValueId x, ValueId stream, LinearAdd op);
  ValueId glu_product(const std::string& name, ValueId x, GluProduct op);
  ValueId glu(const std::string& name, ValueId product, GluOp op);
  ValueId layer_norm(const std::string& name, ValueId x, NormWeights weights, int groups = 1);
  ValueId attention(const std::string& name, ValueId qkv, AttentionOp op);
  ValueId embed_patches(const std::string& name, int columns, EmbedPatches op);
  ValueId embed_convolutions(const std::string& name, EmbedConvolutions op);
  ValueId select_rows(const std::string& name, ValueId x, SelectRows op);
  ValueId reduce_tokens(const std::string& name, ValueId stream, ValueId qkv, ReduceTokens op);

  /// Appends a node with everything it has, as it stands in another graph, but for its inputs.
  ValueId copy(const Value& value, const Node& node, std::vector<ValueId> inputs);

  /// Selection::weighted.
  ValueId weighted_rows(const std::string& name, ValueId x, ValueId scores);

  /// Gives a value a name that callers ask for.
  void output(std::string_view name, ValueId value);

  const Graph& graph() const { return graph_; }

  /// Gives the graph away.
  Graph finish() { return std::move(graph_); }

 private:
  ValueId append(Value value, Op op, std::vector<ValueId> inputs);
  /// A value with as many rows as x.
  Value like(ValueId x, const std::string& name, int columns) const;
  /// Throws Error unless the op can do with fewer tokens than the picture has.
  void require_fewer_do(const std::string& name, const Op& op, ValueId x) const;
  /// Throws Error unless the value is made in this form.
  void require_form(const std::string& reader, ValueId x, Form form) const;

  Graph graph_;
};

}  // namespace octavo
