// What commands say of a batch.
#pragma once

#include "octavo/batch.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace octavo::tools {

/// Tokens of each sequence.
std::vector<std::size_t> lengths(const TokenBatch& batch);

/// Tokens of all sequences.
std::int64_t count_tokens(const TokenBatch& batch);

}  // namespace octavo::tools
