// What a model runs on: texts as token ids, or pictures, any number of them at once; and how many are run together.
#pragma once

#include "octavo/image.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace octavo {

/// A ragged batch: nothing is padded, and a sequence's result does not depend on the others.
struct TokenBatch {
  std::vector<Tokens> sequences;
};

/// Pictures of the size that the model takes (prepare_image()); a picture's result does not depend on the others.
struct ImageBatch {
  std::vector<Image> images;
};

/// How large a batch becomes.
struct BatchLimits {
  std::int64_t sequences = 32;
  std::int64_t tokens = 16384;  ///< of all sequences together; a longer sequence is a batch of its own
};

/// Groups sequences into batches of bounded size, in order, and hands each to `run` when the next sequence no longer
/// fits, or when it is full. They are not sorted by length: batches are ragged, so nothing is padded and a sort gains
/// nothing.
class Batcher {
 public:
  using Run = std::function<void(const TokenBatch&)>;

  /// Takes what `run` is called with: each batch once, in order.
  Batcher(const BatchLimits& limits, Run run) : limits_(limits), run_(std::move(run)) {}

  /// Adds a sequence, and may run a batch. Throws what `run` throws.
  void add(Tokens tokens);

  /// Runs what is left. Throws what `run` throws.
  void finish();

 private:
  BatchLimits limits_;
  Run run_;
  TokenBatch batch_;
  std::int64_t tokens_ = 0;
};

}  // namespace octavo
