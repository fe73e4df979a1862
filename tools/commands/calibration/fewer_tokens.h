// --token-prune and --token-merge: which patches of pictures a calibrated model does without.
#pragma once

#include "cli/options.h"
#include "data/sample_batches.h"

#include "octavo/token_reduction.h"

#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

Flags token_flags();
std::vector<Rule> token_rules();

/// What the flags ask for.
struct TokenSettings {
  std::vector<double> ratios = {};                           ///< of patches to keep, behind
  std::vector<int> ratio_layers = {};                        ///< these layers
  std::vector<int> merged = {};                              ///< patches that are merged, behind
  std::vector<int> merge_layers = {};                        ///< these layers; none where it is so many per layer
  std::optional<double> prune_until = {}, merge_until = {};  ///< a search, within so many points
};

/// Nothing where no tokens are to be removed.
std::optional<TokenSettings> read_tokens(const Arguments& arguments);

/// Chooses or measures by what the model answers to the first samples. Where no token goes there are no candidates.
TokenChoice reduce_tokens(const Model& whole, const TokenSettings& settings, std::int64_t weight_memory,
                          const std::vector<std::string>& samples, SampleBatches& batches, Workspace& workspace,
                          const Log& log);

}  // namespace octavo::tools
