// What holds of every model of texts in integers.
#pragma once

#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"
#include "octavo/tasks.h"

#include <algorithm>

namespace octavo::test {

inline Model calibrated_on_random_tokens(const Model& model) {
  Calibrator calibrator(model);
  Workspace workspace({.threads = 1});
  for (unsigned seed = 1; seed <= 2; ++seed) {
    calibrator.observe(random_batch(24, std::min(40, model.info().max_positions), model.info().vocab_size, seed),
                       workspace);
  }
  return calibrator.quantize().model;
}

/// Every output close to float32, the same bits on every instruction set and with either number of threads, and after a
/// model file.
inline void check_integers(const Model& model, const TokenBatch& batch, double closeness) {
  const Model quantized = calibrated_on_random_tokens(model);
  const TemporaryDirectory directory;
  quantized.save(directory / "m.octavo");
  const Model loaded = Model::from_file(directory / "m.octavo");
  Workspace one({.threads = 1}), two({.threads = 2});
  for (const OutputInfo& output : model.info().outputs) {
    INFO(output.name);
    const Tensor exact = Engine(model).output(output.name, batch, one),
                 codes = Engine(quantized, {.isa = "scalar"}).output(output.name, batch, one);
    CHECK(similarity(codes.as<float>(), exact.as<float>()) > closeness);
    for (const std::string& isa : available_isas()) {
      INFO(isa);
      CHECK(equal_bytes(Engine(loaded, {.isa = isa}).output(output.name, batch, two), codes));
    }
  }
}

}  // namespace octavo::test
