// Groups inputs into batches of bounded size, in order.
#pragma once

#include "octavo/engine.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace octavo::tools {

struct BatchLimits {
  std::int64_t sequences = 32;  ///< --batch-size
  std::int64_t tokens = 16384;  ///< --max-batch-tokens; a longer sequence is a batch of its own
};

/// Hands batches to `run` as they fill up. Inputs are not sorted by length: batches are ragged, so nothing is padded
/// and a sort would gain nothing.
class Batcher {
 public:
  using Run = std::function<void(const TokenBatch&)>;

  Batcher(const BatchLimits& limits, Run run) : limits_(limits), run_(std::move(run)) {}

  void add(Tokens tokens);

  /// Runs what is left.
  void finish();

 private:
  BatchLimits limits_;
  Run run_;
  TokenBatch batch_;
  std::int64_t tokens_ = 0;
};

/// Tokens of each sequence.
std::vector<std::size_t> lengths(const TokenBatch& batch);

/// Tokens of all sequences.
std::int64_t count_tokens(const TokenBatch& batch);

}  // namespace octavo::tools
