// What a report says of tokens that a model does without.
#pragma once

#include "octavo/token_reduction.h"

#include <nlohmann/json.hpp>

#include <string>

namespace octavo::tools {

/// Lines of a table: what was looked at, and which of it was chosen.
std::string to_text(const TokenChoice& choice);

nlohmann::ordered_json to_json(const TokenChoice& choice);

/// "merges 40 behind layer 5, prunes 156 behind layer 11"; "all tokens stay".
std::string reductions_text(const std::vector<TokenReduction>& reductions);

}  // namespace octavo::tools
