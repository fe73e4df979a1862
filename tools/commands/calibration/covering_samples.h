// --sample-choice: which samples of a file a calibration is made on.
#pragma once

#include "data/sample_batches.h"
#include "data/samples.h"

#include "octavo/engine.h"

#include <cstdint>

namespace octavo::tools {

/// Samples from which so many are chosen, at least: those that are looked at.
constexpr std::int64_t kPool = 8;

/// Of the samples to calibrate on `count` that cover all of them (octavo/sample_cover.h); those that are held out stay.
/// Throws octavo::Error for pictures that cannot be read.
Samples covering(Samples samples, std::int64_t count, std::uint64_t seed, Engine reference, SampleBatches& batches,
                 Workspace& workspace);

}  // namespace octavo::tools
