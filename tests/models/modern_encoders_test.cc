// ModernBERT, NomicBERT, GTE and JinaBERT with every head: transformers' outputs in float32, and integers with the same
// bits on every instruction set.
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"

namespace octavo::test {
namespace {

const GoldenHeads& golden() {
  static const GoldenHeads all("modern_encoders.safetensors");
  return all;
}

}  // namespace

TEST_CASE("encoders with rotary positions, windows and gated units have transformers' outputs in float32") {
  REQUIRE(golden().checkpoints.size() == 17);
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    golden().check_float_outputs(name);
  }
}

TEST_CASE("encoders with rotary positions, windows and gated units in integers are close to float32") {
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    check_integers(checkpoint.model(), golden().texts[1], 0.97);
  }
}

}  // namespace octavo::test
