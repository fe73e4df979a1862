// Whole models with 4-bit weights: close to float32, the same bits everywhere, half of the file, and what keeps 8 bits.
#include "graph/model_data.h"
#include "graph/names.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/calibration.h"
#include "octavo/error.h"

namespace octavo::test {
namespace {

const CalibrationOptions kFourBit = {.weights = {.bits = 4, .vocabulary_bits = 4}};

bool has_four_bits(const Model& model, const std::string& value) {
  const Model::Data& data = data_of(model);
  const bool has = data.tensors.contains(value + part::kGroupMultiplier);
  CHECK(data.tensors.at(value + part::kWeight).dtype() == (has ? DType::u8 : DType::s8));
  return has;
}

/// Through a file, with every instruction set, on several threads, alone and in a batch.
void require_same_bits(const Model& model, const TokenBatch& batch) {
  TemporaryDirectory directory;
  model.save(directory.path() / "m.octavo");
  const Model loaded = Model::from_file(directory.path() / "m.octavo");
  Workspace one({.threads = 1}), three({.threads = 3});
  const Tensor expected = Engine(model, {.isa = "scalar"}).run(batch, one);
  for (const std::string& isa : available_isas()) {
    INFO(isa);
    const Engine engine(loaded, {.isa = isa});
    CHECK(equal_bytes(engine.run(batch, one), expected));
    CHECK(equal_bytes(engine.run(batch, three), expected));
    std::int64_t row = 0;
    for (const Tokens& sequence : batch.sequences) {
      const Tensor alone = engine.run(TokenBatch{{sequence}}, three);
      for (std::int64_t i = 0; i < alone.rows(); ++i, ++row)
        CHECK(equal_bytes(row_of(alone, static_cast<std::size_t>(i)), row_of(expected, static_cast<std::size_t>(row))));
    }
  }
}

}  // namespace

TEST_CASE("decoders of every variant keep close to float32 with 4-bit weights, with the same bits everywhere") {
  const TokenBatch batch = random_batch(5, 40, 70, 42);
  Workspace workspace({.threads = 1});
  for (const TinyOptOptions& options : opt_variants()) {
    INFO("word size " << options.word_size << " norm before " << options.norm_before << " gate " << options.gate_type);
    const Model model = quantized_tiny_opt(options, kFourBit);
    const Engine reference(TinyOpt(options).model());
    CHECK(mean_row_cosine(Engine(model).run(batch, workspace), reference.run(batch, workspace)) > 0.97);
    require_same_bits(model, batch);
  }
}

TEST_CASE("a decoder with 4-bit weights continues from a cache with the bits of the whole text") {
  const Model model = quantized_tiny_opt({}, kFourBit);
  const Tokens text = random_batch(1, 40, 70, 3).sequences[0], first{.ids = {text.ids.begin(), text.ids.end() - 1}},
               last{.ids = {text.ids.back()}};
  Workspace workspace({.threads = 2});
  const Tensor scalar = Engine(model, {.isa = "scalar"}).logits(TokenBatch{{text}}, workspace);
  for (const std::string& isa : available_isas()) {
    INFO(isa);
    const Engine engine(model, {.isa = isa});
    KvCache cache(model);
    KvCache* const caches[] = {&cache};
    engine.decode(TokenBatch{{first}}, caches, workspace);
    CHECK(equal_bytes(engine.decode(TokenBatch{{last}}, caches, workspace), scalar));
  }
}

TEST_CASE("encoders of texts with gates and of pictures take 4-bit weights, too") {
  Workspace workspace({.threads = 1});
  for (const char* kind : {"linear", "mlp"}) {
    INFO(kind);
    const Model bert = quantized_tiny_model({.gate_kind = kind}, kFourBit);
    const TokenBatch batch = random_batch(5, 40, 50, 4);
    CHECK(mean_row_cosine(Engine(bert).run(batch, workspace),
                          Engine(tiny_model({.gate_kind = kind})).run(batch, workspace)) > 0.97);
    require_same_bits(bert, batch);
  }
  const Model vit = quantized_tiny_vit({}, kFourBit);
  CHECK_THAT(vit.summary(), Catch::Contains("4-bit weights"));
  CHECK_FALSE(has_four_bits(vit, "logits"));
}

TEST_CASE("4-bit weights are half of the bytes of what is multiplied; a file without them is as before") {
  const Model eight = quantized_tiny_opt(), four = quantized_tiny_opt({}, kFourBit);
  std::size_t wide = 0, narrow = 0, multipliers = 0;
  for (const auto& [name, tensor] : data_of(eight).tensors) {
    if (name.ends_with(part::kWeight)) wide += tensor.bytes();
    CHECK_FALSE(name.ends_with(part::kGroupMultiplier));
  }
  for (const auto& [name, tensor] : data_of(four).tensors) {
    if (name.ends_with(part::kWeight)) narrow += tensor.bytes();
    if (name.ends_with(part::kGroupMultiplier)) multipliers += tensor.bytes();
  }
  CHECK(narrow * 2 == wide);
  CHECK(multipliers * 32 == wide);
  CHECK_THAT(four.summary(), Catch::Contains("4-bit weights"));
  CHECK_THAT(eight.summary(), !Catch::Contains("4-bit weights"));
}

TEST_CASE("products of values with extra bits keep 8-bit weights") {
  Calibrator calibrator(TinyOpt().model(), kFourBit);
  Workspace workspace({.threads = 1});
  calibrator.observe(random_batch(16, 40, 70, 1), workspace);
  CalibrationOptions chosen = kFourBit;
  const std::string value = "decoder.layers.1.fc1";
  chosen.precision.extra_bits = {{.value = value}};
  const Model model = calibrator.quantize(chosen).model;
  CHECK(has_four_bits(model, value));
  CHECK_FALSE(has_four_bits(model, "decoder.layers.1.fc2"));
  CHECK(has_four_bits(model, "decoder.layers.0.fc2"));
  require_same_bits(model, random_batch(3, 40, 70, 5));
}

TEST_CASE("a vocabulary keeps 8 bits where its logits would lose too much, and only there") {
  // A column of the vocabulary that nothing comes through, but which takes the others' codes.
  const auto choose = [](float largest, WeightRounding rounding) {
    TinyOpt opt({.tied = false});
    const auto set = [&](const std::string& name, std::size_t first, std::size_t step, float value) {
      const Tensor& before = opt.tensors.at(name);
      Tensor changed(DType::f32, before.shape());
      std::ranges::copy(before.as<float>(), changed.writable<float>().begin());
      for (std::size_t i = first; i < changed.writable<float>().size(); i += step) changed.writable<float>()[i] = value;
      opt.tensors.at(name) = changed;
    };
    set("lm_head.weight", 7, 48, largest);
    set("model.decoder.final_layer_norm.weight", 7, 48, 0.0f);
    set("model.decoder.final_layer_norm.bias", 7, 48, 0.0f);
    Calibrator calibrator(opt.model(), {.weights = {.bits = 4, .rounding = rounding}});
    Workspace workspace({.threads = 1});
    calibrator.observe(random_batch(16, 40, 70, 1), workspace);
    return calibrator.quantize();
  };
  const Calibrated kept = choose(0.0f, WeightRounding::compensated), refused = choose(30.0f, WeightRounding::nearest);
  REQUIRE((kept.vocabulary && refused.vocabulary));
  CAPTURE(kept.vocabulary->four_bit_cosine, refused.vocabulary->four_bit_cosine);
  CHECK(kept.vocabulary->bits == 4);
  CHECK(kept.options.weights.vocabulary_bits == 4);
  CHECK(has_four_bits(kept.model, "lm_head"));
  CHECK(refused.vocabulary->bits == 8);
  CHECK(refused.vocabulary->four_bit_cosine < 0.99);
  CHECK_FALSE(has_four_bits(refused.model, "lm_head"));
  CHECK(has_four_bits(refused.model, "decoder.layers.0.fc1"));
}

TEST_CASE("4-bit weights are refused by name where they have no meaning") {
  const auto refused = [](CalibrationOptions options, const std::string& message) {
    CHECK_THROWS_WITH(Calibrator(TinyOpt().model(), options), Catch::Contains(message));
  };
  refused({.weights = {.bits = 5}}, "weights.bits is 5, expected 4 or 8");
  refused({.weights = {.bits = 4, .scales = WeightScales::per_tensor}},
          "weights.bits is 4, which needs weights.scales");
  refused({.weights = {.bits = 4, .vocabulary_bits = 5}}, "weights.vocabulary_bits is 5, expected 4 or 8");
  refused({.weights = {.vocabulary_bits = 4}},
          "weights.vocabulary_bits is 4, which has no effect without weights.bits 4");
  CalibrationOptions paper = CalibrationOptions::quantizable_transformers();
  paper.weights.bits = 4;
  refused(paper, "weights.bits is 4");
}

}  // namespace octavo::test
