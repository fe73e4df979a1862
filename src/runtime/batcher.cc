// How sequences are grouped into batches.
#include "octavo/batch.h"

#include <iterator>

namespace octavo {

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

}  // namespace octavo
