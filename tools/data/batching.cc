#include "data/batching.h"

#include <iterator>

namespace octavo::tools {

std::vector<std::size_t> lengths(const TokenBatch& batch) {
  std::vector<std::size_t> result;
  for (const Tokens& sequence : batch.sequences) result.push_back(sequence.ids.size());
  return result;
}

std::int64_t count_tokens(const TokenBatch& batch) {
  std::int64_t tokens = 0;
  for (const Tokens& sequence : batch.sequences) tokens += std::ssize(sequence.ids);
  return tokens;
}

}  // namespace octavo::tools
