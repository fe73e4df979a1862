// What is called after a value of a graph: the stages that observers see beside it, and the tensors that a quantized
// model keeps for it.
#pragma once

#include <string>
#include <string_view>

namespace octavo {

/// A name made of a value's name: stage(value, kProbs).
enum class Stage {
  partial,  ///< of token embeddings: words and types, before positions are added
  product,  ///< what a product makes before the residual, a norm or an activation
  scores,   ///< of attention: scaled
  probs,    ///< of attention: after clipping
  gate,     ///< of attention: of logits what the activation makes, without scale
  sink,     ///< of attention: what the sink takes of each query's probabilities, before clipping
  bytes,    ///< of a LayerNorm: its range where a product reads other values, equalized ones, than sums do
};

inline std::string stage_name(std::string_view value, Stage stage) {
  constexpr const char* suffixes[] = {".partial", ".product", ".scores", ".probs", ".gate", ".sink", ".bytes"};
  return std::string(value) + suffixes[static_cast<int>(stage)];
}

/// What follows a value's name in the names of its tensors.
namespace part {
inline constexpr char kWeight[] = ".weight", kBias[] = ".bias", kMultiplier[] = ".multiplier";
inline constexpr char kGroupMultiplier[] = ".group_multiplier";
inline constexpr char kWord[] = ".word", kPosition[] = ".position", kType[] = ".type", kWordFine[] = ".word_fine";
inline constexpr char kGeluBase[] = ".gelu_base", kGeluSlope[] = ".gelu_slope", kGeluOffset[] = ".gelu_offset";
inline constexpr char kActivation[] = ".activation";
inline constexpr char kU8Output[] = ".bytes", kS16Output[] = ".stream", kGain[] = ".gain", kOffset[] = ".offset";
inline constexpr char kGate[] = ".gate", kGateOutput[] = ".gate_output";
inline constexpr char kExponential[] = ".exponential", kColumnScale[] = ".column_scale", kRows[] = ".rows";
inline constexpr char kScoreBias[] = ".score_bias", kFactors[] = ".factors", kSink[] = ".sink", kCosine[] = ".cosine",
                      kSine[] = ".sine";
inline constexpr char kLogSize[] = ".log_size";
}  // namespace part

/// The multipliers of the rows of an embedding table: tensor `table` + this.
inline constexpr char kRowMultiplier[] = "_multiplier";

}  // namespace octavo
