// A batch is run when the next sequence no longer fits, or when it is full.
#include "data/batching.h"

#include <utility>

namespace octavo::tools {

void Batcher::add(Tokens tokens) {
  const std::int64_t length = std::ssize(tokens.ids);
  if (tokens_ + length > limits_.tokens) finish();
  batch_.sequences.push_back(std::move(tokens));
  tokens_ += length;
  if (std::ssize(batch_.sequences) >= limits_.sequences) finish();
}

void Batcher::finish() {
  if (batch_.sequences.empty()) return;
  run_(batch_);
  batch_.sequences.clear();
  tokens_ = 0;
}

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
