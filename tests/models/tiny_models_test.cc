// Tiny models that lie in the repository, against what PyTorch makes of them: what a stranger's build can compare.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_vit.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"
#include "octavo/system.h"
#include "octavo/tasks.h"

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

/// Every input of the file as a batch of one.
std::vector<TokenBatch> texts(const TinyGolden& golden) {
  std::vector<TokenBatch> batches;
  for (int i = 0; const Tensor* ids = golden.find(i, "input_ids"); ++i) {
    const auto values = ids->as<std::int32_t>();
    batches.push_back({{{.ids = {values.begin(), values.end()}}}});
  }
  return batches;
}

/// As the model takes them.
std::vector<ImageBatch> pictures(const TinyGolden& golden) {
  std::vector<ImageBatch> batches;
  for (int i = 0; const Tensor* pixels = golden.find(i, "pixels"); ++i) {
    const auto values = pixels->as<std::uint8_t>();
    const int edge = static_cast<int>(pixels->shape()[0]);
    const Image image{.width = edge, .height = edge, .pixels = {values.begin(), values.end()}};
    batches.push_back({{prepare_image(image, *golden.model.info().image)}});
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

/// Every output, in float32 and in integers, those from a model file and with the same bits on every instruction set.
void compare_pictures(const TinyGolden& golden) {
  Workspace workspace({.threads = 1});
  Calibrator calibrator(golden.model);
  calibrator.observe(random_images(64, golden.model.info().image->width), workspace);
  const TemporaryDirectory directory;
  calibrator.quantize().model.save(directory / "m.octavo");
  const Model quantized = Model::from_file(directory / "m.octavo");
  const std::vector<ImageBatch> batches = pictures(golden);
  REQUIRE(batches.size() >= 2);
  for (const OutputInfo& output : golden.model.info().outputs) {
    for (std::size_t i = 0; i < batches.size(); ++i) {
      INFO(output.name << " of input " << i);
      const Tensor* expected = golden.find(static_cast<int>(i), output.name);
      REQUIRE(expected != nullptr);
      const Tensor exact = Engine(golden.model).output(output.name, batches[i], workspace),
                   codes = Engine(quantized, {.isa = "scalar"}).output(output.name, batches[i], workspace);
      CHECK(largest_difference(exact.as<float>(), expected->as<float>()) < 1e-4);
      CHECK(mean_row_cosine(codes, exact) > 0.98);
      for (const std::string& isa : available_isas())
        CHECK(equal_bytes(Engine(quantized, {.isa = isa}).output(output.name, batches[i], workspace), codes));
    }
  }
}

}  // namespace

TEST_CASE("a tiny BERT in float32 is within 1e-4 of transformers', and in INT8 close to it") {
  for (const char* name : {"bert", "bert_sink"}) {
    INFO(name);
    const TinyGolden golden(name);
    compare(golden, texts(golden), {random_batch(64, 32, 60)});
  }
}

TEST_CASE("hidden states and logits of a tiny OPT in float32 are within 1e-4 of transformers', and in INT8 close") {
  for (const char* name : {"opt", "opt_sink"}) {
    INFO(name);
    const TinyGolden golden(name);
    compare(golden, texts(golden), {random_batch(64, 32, 60)});
  }
}

TEST_CASE("every output of tiny vision transformers in float32 is within 1e-4 of the original's, and in INT8 close") {
  for (const char* name :
       {"vit", "vit_sink", "deit3", "dinov2", "clip", "siglip", "beit", "cct", "cct_two", "cvt", "vit_lite"}) {
    INFO(name);
    compare_pictures(TinyGolden(name));
  }
}

TEST_CASE("an embedding of CLIP is its projection, of SigLIP its pooled output, unless another pooling is asked for") {
  for (const auto& [name, output] : {std::pair{"clip", "image_embeds"}, std::pair{"siglip", "pooler_output"}}) {
    INFO(name);
    const TinyGolden golden(name);
    const Engine engine(golden.model);
    Workspace workspace({.threads = 1});
    const ImageBatch batch = pictures(golden)[0];
    const Tensor whole = embed(engine, batch, workspace, {.normalize = false});
    CHECK(equal_bytes(whole, engine.output(output, batch, workspace)));
    CHECK(embedding_size(golden.model) == whole.columns());
    const Tensor mean = embed(engine, batch, workspace, {.pooling = {Pooling::mean}, .normalize = false});
    CHECK(equal_bytes(mean, engine.pool(batch, {Pooling::mean}, workspace)));
  }
}

}  // namespace octavo::test
