// Image models in integers: the same bytes everywhere, close to float32, through a file, with errors that name the
// thing.
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_vit.h"

#include "octavo/analysis.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <cstring>
#include <fstream>

namespace octavo::test {
namespace {

std::vector<TinyVitOptions> variants() {
  return {{},
          {.distillation = true},
          {.registers = 3},
          {.gate = false, .qkv_bias = false, .gamma = -0.01},
          {.mean_pooling = true},
          {.norm_pre = true},
          {.patch_norm = true},
          {.patch_norm = true, .registers = 1, .positions_of_patches_only = true}};
}

/// A checkpoint with gates of this type and kind, as models/parts/attention_method.h names their tensors.
TinyVit gated_vit(const std::string& type, const std::string& kind) {
  const TinyVitOptions options{.gate = false};
  TinyVit vit(options);
  vit.config["attention_method"]["gate"] = {{"type", type}};
  const int size = options.hidden_size, slice = size / options.heads;
  for (int i = 0; i < options.layers; ++i) {
    const std::string alpha = "blocks." + std::to_string(i) + ".attn.alpha";
    const auto linear = [&](const std::string& name, int columns, int inputs) {
      vit.add(name + ".weight", {columns, inputs}, 0.4f);
      vit.add(name + ".bias", {columns}, 0.5f);
    };
    if (type == "unconditional_per_head")
      vit.add(alpha, {options.heads}, 0.8f);
    else if (kind == "all_heads")
      linear(alpha, options.heads, size);
    for (int h = 0; type != "unconditional_per_head" && kind != "all_heads" && h < options.heads; ++h) {
      const std::string own = alpha + "." + std::to_string(h);
      linear(kind == "mlp" ? own + ".0" : own, kind == "mlp" ? 5 : 1, slice);
      if (kind == "mlp") linear(own + ".2", 1, 5);
    }
  }
  return vit;
}

}  // namespace

TEST_CASE("every attention gate runs on images: named, close to float32, through a file") {
  const ImageBatch batch = random_images(3, 32, 99);
  Workspace workspace({.threads = 2});
  for (const char* type : {"unconditional_per_head", "conditional_per_head", "conditional_per_token"}) {
    for (const char* kind : {"linear", "mlp", "all_heads"}) {
      INFO(type << " " << kind);
      const Model model = gated_vit(type, kind).model();
      CHECK_THAT(model.info().gate, Catch::StartsWith(type));
      Calibrator calibrator(model);
      for (unsigned seed = 1; seed <= 3; ++seed) calibrator.observe(random_images(8, 32, seed), workspace);
      const Engine integer(calibrator.quantize().model), reference(model);
      const Tensor logits = integer.logits(batch, workspace);
      CHECK(mean_row_cosine(logits, reference.logits(batch, workspace)) > 0.995);
      TemporaryDirectory directory;
      integer.model().save(directory.path() / "vit.octavo");
      CHECK(equal_bytes(Engine(Model::from_file(directory.path() / "vit.octavo")).logits(batch, workspace), logits));
    }
  }
}

TEST_CASE("the paper's setting and analyses refuse a model of images by name") {
  const Model model = TinyVit().model();
  Workspace workspace({.threads = 1});
  const std::vector<TokenBatch> batches(1);
  CHECK_THROWS_WITH(Calibrator(model, CalibrationOptions::quantizable_transformers()),
                    Catch::Contains("takes images; the paper's setting"));
  CHECK_THROWS_WITH(analyze(model, batches, workspace), Catch::Contains("takes images; analyses"));
}

TEST_CASE("integer logits and features of images are close to float32 in every variant") {
  const ImageBatch batch = random_images(6, 32, 99);
  for (const TinyVitOptions& options : variants()) {
    for (const ResidualType residual : {ResidualType::int16, ResidualType::int8}) {
      INFO("distillation " << options.distillation << " registers " << options.registers << " mean "
                           << options.mean_pooling << " norm_pre " << options.norm_pre << " patch_norm "
                           << options.patch_norm << " gate " << options.gate);
      const Engine integer(quantized_tiny_vit(options, {.activations = {.residual = residual}})),
          reference(TinyVit(options).model());
      Workspace workspace({.threads = 1});
      const double enough = residual == ResidualType::int16 ? 0.995 : 0.95;
      CHECK(mean_row_cosine(integer.logits(batch, workspace), reference.logits(batch, workspace)) > enough);
      CHECK(mean_row_cosine(integer.run(batch, workspace), reference.run(batch, workspace)) > enough);
      CHECK(mean_row_cosine(embed(integer, batch, workspace), embed(reference, batch, workspace)) > enough);
    }
  }
}

TEST_CASE("images give the same bytes with every instruction set, thread count and batch") {
  const ImageBatch batch = random_images(5, 32, 42);
  for (const TinyVitOptions& options : variants()) {
    const Model model = quantized_tiny_vit(options);
    Workspace one({.threads = 1});
    const Engine scalar(model, {.isa = "scalar"});
    const Tensor logits = scalar.logits(batch, one), hidden = scalar.run(batch, one);
    for (const std::string& isa : available_isas()) {
      const Engine engine(model, {.isa = isa});
      for (const int threads : {1, 2, 7}) {
        INFO(isa << " with " << threads << " threads");
        Workspace workspace({.threads = threads});
        CHECK(equal_bytes(engine.logits(batch, workspace), logits));
        CHECK(equal_bytes(engine.run(batch, workspace), hidden));
        for (std::size_t i = 0; i < batch.images.size(); ++i) {
          CHECK(equal_bytes(engine.logits({{batch.images[i]}}, workspace), row_of(logits, i)));
        }
      }
    }
  }
}

TEST_CASE("an image model goes through its file unchanged, with its labels and picture settings") {
  TemporaryDirectory directory;
  const ImageBatch batch = random_images(2, 32);
  Workspace workspace({.threads = 1});
  for (const TinyVitOptions& options : variants()) {
    TinyVit vit(options);
    for (int i = 0; i < options.classes; ++i) vit.config["label_names"].push_back("class " + std::to_string(i));
    Calibrator calibrator(vit.model());
    calibrator.observe(random_images(4, 32), workspace);
    const Model quantized = calibrator.quantize().model;
    const auto file = directory.path() / "vit.octavo";
    quantized.save(file);
    const Model read = Model::from_file(file);
    CHECK(equal_bytes(Engine(read).logits(batch, workspace), Engine(quantized).logits(batch, workspace)));
    CHECK(read.labels() == quantized.labels());
    CHECK(read.labels().at(3) == "class 3");
    CHECK(read.info().image->mean == quantized.info().image->mean);
    CHECK(read.info().image->interpolation == Interpolation::bilinear);
    CHECK_FALSE(read.summary().empty());
  }
}

TEST_CASE("images to a model of texts, texts to one of images, and other sizes are errors") {
  Workspace workspace({.threads = 1});
  const Engine vit(quantized_tiny_vit()), bert(tiny_model());
  CHECK_THROWS_WITH(vit.run(random_batch(1, 4, 50), workspace), Catch::Contains("takes images"));
  CHECK_THROWS_WITH(bert.run(random_images(1, 32), workspace), Catch::Contains("takes tokens"));
  CHECK_THROWS_WITH(bert.logits(random_images(1, 32), workspace), Catch::Contains("no head"));
  CHECK_THROWS_WITH(vit.logits(random_images(1, 31), workspace), Catch::Contains("image 0 of the batch is 31 x 31"));
  CHECK_THROWS_WITH(vit.logits(ImageBatch{}, workspace), Catch::Contains("no images"));
  const Engine headless(quantized_tiny_vit({.classes = 0}));
  CHECK(headless.run(random_images(1, 32), workspace).rows() == 17);
  CHECK_THROWS_WITH(headless.logits(random_images(1, 32), workspace), Catch::Contains("no head"));
}

TEST_CASE("the likeliest classes come first, and scores are a distribution") {
  Tensor logits(DType::f32, {2, 3});
  const float values[] = {1.0f, 3.0f, 2.0f, 5.0f, 5.0f, -1.0f};
  std::copy_n(values, 6, logits.writable<float>().begin());
  const auto classes = best_classes(logits, 7);
  REQUIRE(classes.size() == 2);
  CHECK(classes[0].size() == 3);
  CHECK(classes[0][0].id == 1);
  CHECK(classes[0][0].score + classes[0][1].score + classes[0][2].score == Approx(1.0));
  CHECK(classes[1][0].id == 0);
}

}  // namespace octavo::test
