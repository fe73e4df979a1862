// Ranges judged by the end of the block: outliers that carry the function are kept, glitches are not.
#include "calibration/auto_ranges.h"

#include "runtime/workspace.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include <algorithm>

namespace octavo::test {
namespace {

constexpr const char* kGelu = "encoder.layer.0.intermediate.dense";

/// One neuron is far larger than the others; the weights that read it are `reading` times as large as they were.
Model model_with_large_neuron(float reading) {
  TinyBert bert;
  for (std::size_t k = 0; k < 48; ++k) {
    bert.tensors.at("encoder.layer.0.intermediate.dense.weight").writable<float>()[7 * 48 + k] *= 60.0f;
    bert.tensors.at("encoder.layer.0.output.dense.weight").writable<float>()[k * 80 + 7] *= reading;
  }
  TemporaryDirectory directory;
  bert.write(directory.path());
  return Model::from_checkpoint(directory.path());
}

struct Errors {
  double whole, narrow;  ///< with the whole range, and with the range without the large neuron
};

Errors errors(const Model& model) {
  const FloatExecutor executor(shared_data_of(model));
  Workspace::Data workspace(1);
  const RaggedBatch batch = make_ragged(random_batch(16, 40, 50, 5), model.info());
  float low = 0.0f, whole = 0.0f, narrow = 0.0f;
  const Observer observe = [&](std::string_view name, std::span<const float> values, int columns) {
    if (name != kGelu) return;
    for (std::size_t i = 0; i < values.size(); ++i) {
      low = std::min(low, values[i]);
      whole = std::max(whole, values[i]);
      if (i % static_cast<std::size_t>(columns) != 7) narrow = std::max(narrow, values[i]);
    }
  };
  executor.run(batch, workspace, {.observer = observe});
  REQUIRE(whole > 8.0f * narrow);
  const BlockError judge(executor, data_of(model).graph, batch, workspace);
  return {.whole = judge.error(kGelu, {.quantizer = asymmetric_u8(low, whole)}),
          .narrow = judge.error(kGelu, {.quantizer = asymmetric_u8(low, narrow)})};
}

}  // namespace

TEST_CASE("an outlier that the block needs is kept, one that nothing reads is cut off") {
  const Errors needed = errors(model_with_large_neuron(1.0f)), glitch = errors(model_with_large_neuron(0.0f));
  CHECK(needed.whole < 0.5 * needed.narrow);
  CHECK(glitch.narrow < 0.5 * glitch.whole);
}

TEST_CASE("rounding of nothing changes nothing, and only the block's own end is looked at") {
  const Model model = tiny_model();
  const FloatExecutor executor(shared_data_of(model));
  Workspace::Data workspace(1);
  const BlockError judge(executor, data_of(model).graph, make_ragged(random_batch(4, 40, 50), model.info()), workspace);
  const Quantizer exact{.scale = 1e-7, .zero_point = 0, .low = -2000000000, .high = 2000000000};
  for (const char* name : {kGelu, "encoder.layer.1.attention.self.query", "encoder.layer.1.attention.self",
                           "encoder.layer.0.attention.output.LayerNorm"}) {
    CHECK(judge.error(name, {.quantizer = exact}) < 1e-6);
    CHECK(judge.error(name, {.quantizer = asymmetric_u8(-0.1f, 0.1f)}) > 1e-3);
  }
}

}  // namespace octavo::test
