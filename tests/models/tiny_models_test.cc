// Tiny models that lie in the repository, against what PyTorch makes of them: what a stranger's build can compare.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_vit.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"

#include <string>

namespace octavo::test {
namespace {

/// A checkpoint of tests/golden/tiny/, and transformers' outputs (golden/README.md).
struct TinyGolden {
  explicit TinyGolden(const std::string& name)
      : model(Model::from_checkpoint(folder() / name)),
        outputs(read_safetensors(folder() / name / "outputs.safetensors")) {}

  static std::filesystem::path folder() { return source_dir() / "tests/golden/tiny"; }

  /// Null when there is no such input or output.
  const Tensor* find(int input, const std::string& what) const {
    const auto found = outputs.tensors.find(std::to_string(input) + "." + what);
    return found == outputs.tensors.end() ? nullptr : &found->second;
  }

  Model model;
  SafetensorsFile outputs;
};

struct Results {
  Tensor hidden, logits;  ///< the second is empty for a model without a head
};

Results run(const Engine& engine, const TokenBatch& batch) {
  Workspace workspace({.threads = 1});
  return {.hidden = engine.run(batch, workspace),
          .logits = engine.model().info().decoder ? engine.logits(batch, workspace, LogitRows::all) : Tensor()};
}

Results run(const Engine& engine, const ImageBatch& batch) {
  Workspace workspace({.threads = 1});
  return {.hidden = engine.run(batch, workspace), .logits = engine.logits(batch, workspace)};
}

/// Every input of the file as a batch of one.
std::vector<TokenBatch> texts(const TinyGolden& golden) {
  std::vector<TokenBatch> batches;
  for (int i = 0; const Tensor* ids = golden.find(i, "input_ids"); ++i) {
    const auto values = ids->as<std::int32_t>();
    batches.push_back({{{.ids = {values.begin(), values.end()}}}});
  }
  return batches;
}

std::vector<ImageBatch> pictures(const TinyGolden& golden) {
  std::vector<ImageBatch> batches;
  for (int i = 0; const Tensor* pixels = golden.find(i, "pixels"); ++i) {
    const auto values = pixels->as<std::uint8_t>();
    batches.push_back({{{.width = 16, .height = 16, .pixels = {values.begin(), values.end()}}}});
  }
  return batches;
}

template <typename Batch>
void compare(const TinyGolden& golden, const std::vector<Batch>& batches, const std::vector<Batch>& calibration) {
  Calibrator calibrator(golden.model);
  Workspace workspace({.threads = 1});
  for (const Batch& batch : calibration) calibrator.observe(batch, workspace);
  const Engine exact(golden.model), integer(calibrator.quantize().model);
  REQUIRE(batches.size() >= 2);
  for (std::size_t i = 0; i < batches.size(); ++i) {
    INFO("input " << i);
    const Results found = run(exact, batches[i]), codes = run(integer, batches[i]);
    const Tensor& hidden = *golden.find(static_cast<int>(i), "last_hidden_state");
    CHECK(largest_difference(found.hidden.as<float>(), hidden.as<float>()) < 1e-4);
    CHECK(mean_row_cosine(codes.hidden, found.hidden) > 0.98);
    const Tensor* logits = golden.find(static_cast<int>(i), "logits");
    if (!logits) continue;
    CHECK(largest_difference(found.logits.as<float>(), logits->as<float>()) < 1e-4);
    CHECK(mean_row_cosine(codes.logits, found.logits) > 0.98);
  }
}

}  // namespace

TEST_CASE("a tiny BERT in float32 is within 1e-4 of transformers', and in INT8 close to it") {
  const TinyGolden golden("bert");
  compare(golden, texts(golden), {random_batch(64, 32, 60)});
}

TEST_CASE("hidden states and logits of a tiny OPT in float32 are within 1e-4 of transformers', and in INT8 close") {
  const TinyGolden golden("opt");
  compare(golden, texts(golden), {random_batch(64, 32, 60)});
}

TEST_CASE("hidden states and logits of a tiny ViT in float32 are within 1e-4 of transformers', and in INT8 close") {
  const TinyGolden golden("vit");
  compare(golden, pictures(golden), {random_images(32, 16)});
}

}  // namespace octavo::test
