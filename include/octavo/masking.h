// Tokens of texts hidden at random, as masked language models are trained, calibrated and measured.
#pragma once

#include "octavo/model.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <vector>

namespace octavo {

/// The label of a token that nothing is asked of; torch's cross entropy ignores it too.
inline constexpr std::int32_t kNoLabel = -100;

/// A sequence some tokens of which are asked for.
struct MaskedTokens {
  Tokens tokens;                     ///< what the model sees
  std::vector<std::int32_t> labels;  ///< by token: the one asked for, kNoLabel where none is
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

/// Gives the id that stands for a hidden token. Throws Error when the model has no tokenizer, its tokenizer no mask
/// token, or the model no such row.
std::int32_t mask_token_of(const Model& model);

}  // namespace octavo
