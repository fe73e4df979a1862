// Which samples of many stand for all of them.
#pragma once

#include "octavo/engine.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace octavo {

/// Watches how a float32 model takes samples, and chooses some that cover what it has seen: the choice of calibration
/// samples of QuantVGGT (Feng et al. 2025), of texts also by their lengths.
class SampleCover {
 public:
  /// Throws Error for a quantized model.
  explicit SampleCover(Engine reference);
  ~SampleCover();
  SampleCover(SampleCover&&) noexcept;
  SampleCover& operator=(SampleCover&&) noexcept;

  /// Runs the model on a batch, whose samples stand behind those of the batches before. Throws Error as Engine::run().
  void observe(const TokenBatch& batch, Workspace& workspace);
  void observe(const ImageBatch& batch, Workspace& workspace);

  /// Counts the samples observed.
  std::size_t samples() const;

  /// Gives the indices of `count` samples, ascending, or of all where there are not more. A sample is what the
  /// logarithm of its length is, and of the root mean square of every residual sum over its tokens, each in deviations
  /// from the mean. Samples of which these are over 3 on the average are left out as long as enough others are there;
  /// the others fall into clusters (k-means, where the length counts as much as all sums), of which as many are taken
  /// from each. Depends on samples and seed alone.
  std::vector<std::size_t> choose(std::size_t count, std::uint64_t seed = 0) const;

  struct Data;

 private:
  std::unique_ptr<Data> data_;
};

}  // namespace octavo
