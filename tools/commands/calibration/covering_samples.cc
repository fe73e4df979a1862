#include "commands/calibration/covering_samples.h"

#include "octavo/error.h"
#include "octavo/sample_cover.h"

#include <string>
#include <utility>
#include <vector>

namespace octavo::tools {
namespace {

template <typename T>
void keep(std::vector<T>& list, const std::vector<std::size_t>& places) {
  if (list.empty()) return;
  std::vector<T> kept;
  for (const std::size_t place : places) kept.push_back(std::move(list[place]));
  list = std::move(kept);
}

}  // namespace

Samples covering(Samples samples, std::int64_t count, std::uint64_t seed, Engine reference, SampleBatches& batches,
                 Workspace& workspace) {
  SampleCover cover(std::move(reference));
  batches.for_each(samples.calibration, "choose", [&](const auto& batch) { cover.observe(batch, workspace); });
  if (cover.samples() != samples.calibration.size())
    throw Error("of " + std::to_string(samples.calibration.size()) + " pictures " + std::to_string(cover.samples()) +
                " can be read, expected all of them where samples are chosen by what the model makes of them");
  const std::vector<std::size_t> places = cover.choose(static_cast<std::size_t>(count), seed);
  keep(samples.calibration, places);
  keep(samples.calibration_labels, places);
  return samples;
}

}  // namespace octavo::tools
