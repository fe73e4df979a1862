// The first samples that a calibration saw: what it measures its decisions on.
#pragma once

#include "runtime/ragged.h"

#include "octavo/comparison.h"

#include <cstddef>
#include <cstdint>

namespace octavo {

class KeptSamples {
 public:
  static constexpr std::size_t kMost = 64;

  /// Keeps what there is room for.
  void add(const TokenBatch& batch);
  void add(const ImageBatch& batch);

  /// What the reference answers to the first `count`.
  Comparison answers(const Engine& reference, std::size_t count, Workspace& workspace) const;

  /// The first that have about this many tokens together, at least one. Of images it is good for as long as this.
  RaggedBatch first(std::int64_t tokens, const ModelInfo& info) const;

 private:
  TokenBatch texts_;  // of which and images one is empty
  ImageBatch images_;
};

}  // namespace octavo
