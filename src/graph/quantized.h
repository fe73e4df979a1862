// The integer constants of a quantized graph: what quantize() computes, a model file stores, and the integer executor
// runs.
#pragma once

#include "graph/graph.h"

#include "octavo/error.h"
#include "octavo/model.h"

#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace octavo {

/// Constants of one requantized product: which columns of the packed weights, and their common shift. Weights, biases
/// and multipliers are tensors "<value>.weight" s8 (packed), "<value>.bias" s32, "<value>.multiplier" s32; columns of a
/// block start at a panel boundary and are padded to one with zeros.
struct QuantizedBlock {
  std::string name;      ///< of the value the block makes
  int first_column = 0;  ///< multiple of 32
  int columns = 0;       ///< real ones
  int shift = 33;        ///< 18..62
  Encoding encoding;     ///< of the output codes
};

/// From s16 codes of the stream to u8: clamp(((x * multiplier + 2^(shift-1)) >> shift) + zero_point, 0, 255).
struct QuantizedBytes {
  Encoding encoding;
  int multiplier = 0, shift = 33;  ///< shift 1..62
};

/// More codes of a u8 value beside its first ones (fixed-point.md 11). Each kind has as many columns as the first
/// codes, from a multiple of 64 on, and weights of its own in the products that read the value.
struct Refined {
  int fine_bits = 0;    ///< 0..3: that many bits below the first code; 0: no fine codes
  bool coarse = false;  ///< first codes >> 3, for what weights have below their first 8 bits

  int times() const { return 1 + (fine_bits > 0 ? 1 : 0) + (coarse ? 1 : 0); }
};
constexpr int kFineBits = 3;
constexpr int kCoarseShift = 3;

/// Tables "<value>.word", ".position", ".type": s8 rows; ".word_multiplier" ... s32 per row. With fine words also
/// ".word_fine",
/// ".word_fine_multiplier": what the first codes leave of each row.
struct QuantizedEmbedTokens {
  Encoding sum;                          ///< of the embedding sum
  std::optional<Encoding> partial = {};  ///< the paper's setting: of words + types; then both sums are 8 bits
  int partial_multiplier = 0;
  std::optional<QuantizedBytes> bytes = {};  ///< of the sum, where a product reads it
  bool fine_words = false;
};

/// Second product of an mlp gate: tensors "<value>.gate_output.weight", ".bias", ".multiplier".
struct QuantizedGateOutput {
  int depth = 0;
  QuantizedBlock block;  ///< logits in steps of 2^-11
};

struct QuantizedQkv {
  int depth = 0;                                 ///< padded to 64
  QuantizedBlock query, key, value;              ///< K and V: codes -127..127, or with a zero point -128..127
  bool asymmetric = false;                       ///< K and V have zero points: the paper's setting
  std::vector<QuantizedBlock> gate;              ///< none or one: all logits in steps of 2^-11, or hidden units in u8
  std::vector<QuantizedGateOutput> gate_output;  ///< none or one: where `gate` is hidden units
  /// With rotary positions `query` and `key` are made in s16 first, whose scale their blocks have; then these are the
  /// codes that attention reads. Tensors "<value>.cosine", "<value>.sine" s16 [positions, head_size / 2].
  std::optional<QuantizedBytes> rotated_query = {}, rotated_key = {};
};

/// Both branches as s16 rows; without `up` it has no columns.
struct QuantizedGluProduct {
  int depth = 0;
  QuantizedBlock gate, up;
};

/// fixed-point.md 7 b: tensor "<value>.activation" s16 [kActivationEntries], of the gate's codes. With equalized
/// columns also "<value>.column_scale" f32 [columns].
struct QuantizedGlu {
  int multiplier = 0, shift = 33;  ///< 33..62; with fine codes of 8 times the codes
  Encoding output;
  Refined refined = {};
};

/// Linear with GELU pieces (fixed-point.md 7): tensors "<value>.gelu_base", "<value>.gelu_slope" s16 [32],
/// "<value>.gelu_offset" s16 [columns]. A ReLU has them when its neurons have channel splits. Otherwise only the
/// block. Of 16-bit rows: each is multiplied as two u8 rows (fixed-point.md 8), or as one where there are `bytes`; a
/// 16-bit result with an activation has the table "<value>.activation" s16 [kActivationEntries] (fixed-point.md 8 b). A
/// logit is requantized to s32 codes in block.encoding's scale.
struct QuantizedLinear {
  int depth = 0;
  QuantizedBlock block;
  bool activation_table = false;  ///< the activation is evaluated by the pieces
  int gelu_fraction_bits = 0, gelu_limit = 1, gelu_normalize = 0, gelu_inverse = 0;
  Refined refined = {};                            ///< fine codes need pieces
  std::optional<QuantizedBytes> bytes = {};        ///< of 16-bit rows: how they become u8 codes
  std::optional<QuantizedBytes> makes_bytes = {};  ///< of a 16-bit result, where a product reads it
  bool table = false;                              ///< a 16-bit result's activation
  Encoding activated = {};                         ///< of the table's values
};

/// Values of an activation at the ends of 1024 equal parts of what 16-bit codes can be.
constexpr int kActivationEntries = 1025;

/// With a 16-bit stream: r is added as it is, to the stream shifted right by stream_shift, rounded. With 8-bit sums:
/// the product is first brought to `product`, then both terms to the sum's encoding (block.encoding) by Q20
/// multipliers. A code of an outlier column is worth 2^shift steps (fixed-point.md 3).
struct QuantizedLinearAdd {
  int depth = 0;
  QuantizedBlock block;
  int stream_shift = 0;                              ///< 0..15
  std::vector<int> outlier_columns, outlier_shifts;  ///< ascending; 1..kernels::kLargestOutlierShift
  bool eight_bit = false;
  Encoding product;
  int product_multiplier = 0, stream_multiplier = 0;
};

/// One output of a LayerNorm: tensors "<value>.<form>.gain", "<value>.<form>.offset" s32 [columns], form = "bytes" (u8)
/// or "stream" (s16).
struct QuantizedNormOutput {
  bool exists = false;
  int shift = 1;
  int low = 0, high = 0;
  Encoding encoding;  ///< of the output's codes; with equalization, of the equalized values
};

struct QuantizedLayerNorm {
  std::int64_t epsilon = 0;
  QuantizedNormOutput bytes, stream;
  Refined refined =
      {};  ///< of `bytes`; with fine codes that output's constants are of 8 times its codes, fine codes included
};

/// The paper's static quantizers of scores and probabilities: tensor "<value>.exponential" s32 [256].
struct QuantizedStaticW8A8Attention {
  int score_multiplier = 0, score_shift = 33;
  Encoding score;
  std::int64_t slope = 1, offset = 0;
  int most = 255;
};

/// kernels::AttentionLevels; empty without levels.
struct QuantizedLevels {
  std::vector<std::int64_t> edges;
  std::vector<int> codes, multipliers, shifts;
};

/// Most bits that gates per element have below codes of the context.
constexpr int kMostGateFraction = 3;

/// Smallest shift of attention with probabilities of 16 bits: a row adds 6 or more to it, and kernels take 33 and more.
constexpr int kSmallestU16Shift = 27;

struct QuantizedAttention {
  int score_multiplier = 0, score_shift = 0;
  bool clipped = false;
  bool softmax1 = false;  ///< a sink of 0 as files of before have it: codes are relative to 32767 at least
  bool sink = false;
  bool u16_probabilities = false;  ///< probabilities of 16 bits; not with `clipped`
  bool by_distance = false;        ///< the same, multiplied by factors of distances; nothing else beside them
  std::int64_t theta = 0, cap = 0, prune = 0;
  QuantizedLevels levels = {};
  int multiplier = 0, shift = 0;
  int gate_fraction = 0;  ///< with a gate per element `multiplier` and `shift` are of 2^gate_fraction times the codes
  Encoding context;
  std::optional<QuantizedStaticW8A8Attention> static_w8a8 = {};
  Refined refined = {};  ///< of the context; with fine codes `multiplier` and `shift` are of 8 times its codes
};  // with a bias: tensor "<value>.score_bias" s32 [heads, 2 * reach + 1] in steps of the scores, S_q S_k /
    // sqrt(head_size).
    // Behind merged tokens: tensor "<value>.log_size" s32 [tokens of an image], in the same steps.
    // With sinks: tensor "<value>.sink" s32 [heads], in the same steps; in the paper's setting codes of scores.
    // With factors of distances: tensor "<value>.factors" s16 [heads, 2 * reach + 1], parts of the largest in Q15;
    // `multiplier` and `shift` are of the context times that one.
    // With an unconditional gate: tensor "<value>.gate" s16 [heads], logits in steps of 2^-11, or with softplus gates
    // in Q12. With equalized V and context: tensor "<value>.column_scale" f32 [columns], by which their columns were
    // divided; analyses alone read it

/// Tensors: the product's; ".rows" s16 [tokens of an image, columns]: what each row of the stream starts from, the
/// prefix rows whole and the positions of the patches. Without a norm the product is in the step of the stream, else in
/// that of `product`, and the output "<value>.stream" brings it to the stream's.
struct QuantizedEmbedPatches {
  int depth = 0;
  QuantizedBlock block;
  Encoding stream;
  int low = -32768, high = 32767;  ///< of the stream's codes
  std::int64_t epsilon = 0;
  QuantizedNormOutput norm;
};

/// Copies and means need no constants; the codes keep their scale. Of weighted means how far a score lies from the
/// largest, as attention has it (fixed-point.md 5).
struct QuantizedSelectRows {
  Encoding encoding;  ///< of the rows
  int score_multiplier = 0, score_shift = 0;
};

/// A convolution's product over rows of windows, which hold of each of their places all channels. It makes u8 codes
/// without zero point for the next one, the last one 16-bit codes of the stream. Tensors: the product's, of layer i
/// "<value>.i.weight", ".bias", ".multiplier".
struct QuantizedConvolution {
  int depth = 0;
  QuantizedBlock block;
};

/// Tensor ".rows" s16 [tokens, columns]: positions in steps of the stream.
struct QuantizedEmbedConvolutions {
  std::vector<QuantizedConvolution> layers;
  std::vector<int> outside = {};  ///< of each channel the pixel that stands for 0, outside the picture
  Encoding stream;
  int low = -32768, high = 32767;  ///< of the stream's codes
};

/// How many tokens go is the op's. Pruning takes the softmax of the class token's scores, by constants of attention;
/// merging compares keys, whose codes need none.
struct QuantizedReduceTokens {
  int score_multiplier = 1 << 15, score_shift = 0;
  Encoding encoding;  ///< of the rows
};

/// The integer constants of an op of the graph.
template <typename Op>
struct ConstantsOf;
template <>
struct ConstantsOf<EmbedTokens> {
  using type = QuantizedEmbedTokens;
};
template <>
struct ConstantsOf<QkvProduct> {
  using type = QuantizedQkv;
};
template <>
struct ConstantsOf<Linear> {
  using type = QuantizedLinear;
};
template <>
struct ConstantsOf<LinearAdd> {
  using type = QuantizedLinearAdd;
};
template <>
struct ConstantsOf<LayerNormOp> {
  using type = QuantizedLayerNorm;
};
template <>
struct ConstantsOf<AttentionOp> {
  using type = QuantizedAttention;
};
template <>
struct ConstantsOf<EmbedPatches> {
  using type = QuantizedEmbedPatches;
};
template <>
struct ConstantsOf<SelectRows> {
  using type = QuantizedSelectRows;
};
template <>
struct ConstantsOf<GluProduct> {
  using type = QuantizedGluProduct;
};
template <>
struct ConstantsOf<GluOp> {
  using type = QuantizedGlu;
};
template <>
struct ConstantsOf<ReduceTokens> {
  using type = QuantizedReduceTokens;
};
template <>
struct ConstantsOf<EmbedConvolutions> {
  using type = QuantizedEmbedConvolutions;
};
template <typename Op>
using Constants = typename ConstantsOf<Op>::type;

/// The variant of all ops' constants, in the order of Op: an op without constants does not compile.
template <typename Variant>
struct VariantOfConstants;
template <typename... Ops>
struct VariantOfConstants<std::variant<Ops...>> {
  using type = std::variant<Constants<Ops>...>;
};
using QuantizedOp = VariantOfConstants<Op>::type;

/// Calls `function` with an op and its own constants. Throws Error when they are another op's.
template <typename Function>
decltype(auto) visit_with_constants(const Op& op, const QuantizedOp& constants, Function&& function) {
  return std::visit(
      [&](const auto& own) -> decltype(auto) {
        using Own = Constants<std::decay_t<decltype(own)>>;
        const auto* matching = std::get_if<Own>(&constants);
        if (!matching) throw Error("a node's integer constants are those of another op");
        return function(own, *matching);
      },
      op);
}

/// One QuantizedOp per node of the graph, in its order.
struct QuantizedGraph {
  std::vector<QuantizedOp> ops;
};

}  // namespace octavo
