// Inputs that are several sequences each (windows of a long text, candidates of one text), in batches that they share.
#pragma once

#include "data/batching.h"

#include "octavo/engine.h"

#include <deque>
#include <functional>
#include <vector>

namespace octavo::tools {

class GroupedBatches {
 public:
  /// Gives the rows of a batch, those of one sequence after the other.
  using Run = std::function<Tensor(const TokenBatch&)>;
  /// How many of them are a sequence's.
  using Rows = std::function<std::size_t(const Tokens&)>;
  /// Gets the rows of one input: f32 [rows, columns].
  using Answer = std::function<void(const Tensor&)>;

  GroupedBatches(const BatchLimits& limits, Run run, Rows rows);

  /// At least one sequence. Inputs are answered in order, each when its last sequence has run.
  void add(std::vector<Tokens> sequences, Answer answer);

  /// Runs and answers what is left.
  void finish();

 private:
  struct Pending {
    std::size_t left;  // sequences that have not run
    std::vector<float> rows;
    Answer answer;
  };

  void run(const TokenBatch& batch);
  void answer_first(std::int64_t columns);

  Run run_;
  Rows rows_;
  Batcher batcher_;
  std::deque<Pending> pending_;
};

}  // namespace octavo::tools
