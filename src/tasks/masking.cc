// Which tokens of a text are hidden: a function of the seed, the text's number and the token's place.
#include "octavo/masking.h"

#include "base/split_mix.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace octavo {
namespace {

/// Three numbers for each place, so that no choice depends on another.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t text) : key_(split_mix(split_mix(seed + kSplitMixStep) + text)) {}

  enum Purpose : std::uint64_t { is_chosen, replacement, random_id, kPurposes };

  /// 0 to 2^53 - 1.
  std::uint64_t draw(std::size_t place, Purpose purpose) const {
    return split_mix(key_ + (place * kPurposes + purpose + 1) * kSplitMixStep) >> 11;
  }

 private:
  std::uint64_t key_;
};

/// The draws below it are this share of all.
std::uint64_t below(double share) { return static_cast<std::uint64_t>(std::ldexp(share, 53)); }

}  // namespace

std::int32_t mask_token_of(const Model& model) {
  const Tokenizer& tokenizer = model.tokenizer();
  const ModelInfo& info = model.info();
  const std::int32_t id = tokenizer.mask_id();
  if (id < 0)
    throw Error(info.name + ": its tokenizer has no mask_token, and its vocabulary neither [MASK] nor <mask>");
  if (id >= info.vocab_size) {
    throw Error(info.name + ": its mask token " + std::string(tokenizer.token(id)) + " is token " + std::to_string(id) +
                ", which the model does not have");
  }
  return id;
}

MaskedTokens mask_tokens(const Model& model, Tokens tokens, const MaskingOptions& options) {
  if (!(options.share >= 0.0 && options.share <= 1.0))
    throw Error("the share of masked tokens is " + std::to_string(options.share) + ", expected 0 to 1");
  const std::int32_t mask = mask_token_of(model);
  const Tokenizer& tokenizer = model.tokenizer();
  const auto ids = static_cast<std::uint64_t>(std::min(tokenizer.vocab_size(), model.info().vocab_size));
  const Draws draws(options.seed, options.text);
  MaskedTokens result{.tokens = std::move(tokens), .labels = {}};
  result.labels.resize(result.tokens.ids.size(), kNoLabel);
  for (std::size_t place = 0; place < result.labels.size(); ++place) {
    std::int32_t& id = result.tokens.ids[place];
    if (tokenizer.is_special(id) || draws.draw(place, Draws::is_chosen) >= below(options.share)) continue;
    result.labels[place] = id;
    const std::uint64_t replacement = draws.draw(place, Draws::replacement);
    if (replacement < below(0.8))
      id = mask;
    else if (replacement < below(0.9))
      id = static_cast<std::int32_t>((draws.draw(place, Draws::random_id) >> 21) * ids >> 32);
  }
  return result;
}

std::vector<MaskedTokens> mask_each(const Model& model, const Tokens& tokens) {
  const std::int32_t mask = mask_token_of(model);
  std::vector<MaskedTokens> result;
  for (std::size_t place = 0; place < tokens.ids.size(); ++place) {
    if (model.tokenizer().is_special(tokens.ids[place])) continue;
    MaskedTokens& masked = result.emplace_back(MaskedTokens{.tokens = tokens, .labels = {}});
    masked.labels.resize(tokens.ids.size(), kNoLabel);
    masked.labels[place] = tokens.ids[place];
    masked.tokens.ids[place] = mask;
  }
  return result;
}

}  // namespace octavo
