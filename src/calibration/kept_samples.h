// The first samples that a calibration saw: what it measures its decisions on.
#pragma once

#include "runtime/ragged.h"

#include "octavo/agreement.h"
#include "octavo/comparison.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

class KeptSamples {
 public:
  /// Decisions by closeness need 64; scores change by steps of a sample and need more.
  static constexpr std::size_t kFew = 64, kMany = 512;

  explicit KeptSamples(std::size_t most = kFew) : most_(most) {}

  /// Keeps what there is room for. Labels are known or not: none, or one for each.
  void add(const TokenBatch& batch, std::span<const SampleLabel> labels = {});
  void add(const ImageBatch& batch, std::span<const SampleLabel> labels = {});

  /// What the reference answers to the first `count`.
  Comparison answers(const Engine& reference, std::size_t count, Workspace& workspace) const;

  /// What its head answers to all.
  TaskComparison task_answers(const Engine& reference, Workspace& workspace) const;

  /// The first that have about this many tokens together, at least one. Of images it is good for as long as this.
  RaggedBatch first(std::int64_t tokens, const ModelInfo& info) const;

 private:
  std::size_t most_;
  TokenBatch texts_;  // of which and images one is empty
  ImageBatch images_;
  std::vector<SampleLabel> labels_;
};

}  // namespace octavo
