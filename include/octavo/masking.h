// Tokens of texts hidden at random, as masked language models are trained, calibrated and measured.
#pragma once

#include "octavo/engine.h"

#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

namespace octavo {

/// The label of a token that nothing is asked of; torch's cross entropy ignores it too.
inline constexpr std::int32_t kNoLabel = -100;

/// A sequence some tokens of which are asked for.
struct MaskedTokens {
  Tokens tokens = {};                     ///< what the model sees
  std::vector<std::int32_t> labels = {};  ///< by token: the one asked for, kNoLabel where none is
};

/// How tokens are chosen. Equal options give equal choices on every machine, whatever else is masked before or beside.
struct MaskingOptions {
  double share = 0.15;     ///< each token that is not special is chosen with this probability
  std::uint64_t seed = 0;  ///< another seed gives other choices,
  std::uint64_t text = 0;  ///< and so does the number of another text
};

/// Chooses tokens as Devlin et al. (2019) do: of those chosen 80 % become the mask token, 10 % a random token of the
/// vocabulary, and 10 % stay; their labels are what stood there. Special tokens (Tokenizer::is_special) are never
/// chosen. Throws Error when the share is no probability, an id is not one of the tokenizer's, or as mask_token_of().
MaskedTokens mask_tokens(const Model& model, Tokens tokens, const MaskingOptions& options = {});

/// Hides each token that is not special alone: a sequence for each. Throws Error as mask_tokens().
std::vector<MaskedTokens> mask_each(const Model& model, const Tokens& tokens);

/// Reads sequences of equal length from a safetensors file: `input_ids` and `labels`, I32 or I64 [sequences, tokens],
/// where a label is -100 or the token asked for. `token_type_ids` and `attention_mask`, which may be there too, have
/// the same shape; a mask of 0 marks padding, behind a sequence's last token only. Throws Error naming the file and the
/// tensor.
std::vector<MaskedTokens> read_masked_tokens(const std::filesystem::path& file);

/// What a model says of a token that is asked for.
struct TokenLoss {
  double loss = 0.0;          ///< the negated natural logarithm of its probability
  bool is_likeliest = false;  ///< no other token is likelier; of equal ones the lower id counts
};

/// Computes the losses of all tokens that are asked for, one sequence's after the other. They do not depend on the
/// batch. Throws Error when the model does not predict masked tokens or a label is none of its tokens; else as
/// Engine::run().
std::vector<TokenLoss> masked_losses(const Engine& engine, std::span<const MaskedTokens> batch, Workspace& workspace);

/// Gives the id that stands for a hidden token. Throws Error when the model has no tokenizer, its tokenizer no mask
/// token, or the model no such row.
std::int32_t mask_token_of(const Model& model);

}  // namespace octavo
