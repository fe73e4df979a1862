// What a float32 model says of some samples, to compare quantized ones with.
#pragma once

#include "data/sample_batches.h"
#include "report/closeness.h"

#include "octavo/engine.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace octavo::tools {

class Comparison {
 public:
  /// Runs `reference` over the samples, behind a progress bar named `label`.
  Comparison(const Engine& reference, SampleBatches& batches, const std::vector<std::string>& samples,
             const std::string& label, Workspace& workspace);

  /// No sample could be read.
  bool empty() const { return batches_.empty(); }

  /// Of what the engine says to what the reference said.
  Closeness closeness(const Engine& engine) const;

  /// The first samples that have about this many tokens together, at least one. Not when empty().
  std::variant<TokenBatch, ImageBatch> first(std::int64_t tokens) const;

 private:
  Workspace& workspace_;
  std::vector<std::variant<TokenBatch, ImageBatch>> batches_;
  std::vector<Tensor> expected_;
};

}  // namespace octavo::tools
