// Tiny checkpoints with heads, and transformers' outputs of them.
#pragma once

#include "tests/support/tiny_checkpoint.h"

#include "octavo/batch.h"
#include "octavo/engine.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::test {

/// A file of tests/golden/: checkpoints by the names of transformers' classes.
struct GoldenHeads {
  struct Stored : TinyCheckpoint {
    Stored() : TinyCheckpoint(0) {}
  };
  std::map<std::string, Stored> checkpoints;
  std::map<std::string, std::map<std::string, Tensor>> outputs;  ///< of a class, by "TEXT/NAME"
  std::vector<TokenBatch> texts;

  explicit GoldenHeads(const std::string& file);

  /// Requires that octavo's float32 outputs are all of those, within 1e-4, without a warning.
  void check_float_outputs(const std::string& name) const;
};

}  // namespace octavo::test
