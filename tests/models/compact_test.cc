// Compact Transformers as their checkpoints vary: names, arguments and tensors of the tiny ones of tests/golden/tiny,
// whose outputs tiny_models_test.cc compares with PyTorch's.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_vit.h"

#include "octavo/tasks.h"

namespace octavo::test {
namespace {

/// A tiny model, to be changed.
struct Tiny : TinyCheckpoint {
  explicit Tiny(const std::string& name) : TinyCheckpoint(0) {
    const std::filesystem::path folder = source_dir() / "tests/golden/tiny" / name;
    config = nlohmann::json::parse(std::ifstream(folder / "config.json"));
    for (const auto& [key, tensor] : read_safetensors(folder / "model.safetensors").tensors) tensors[key] = tensor;
  }
};

std::string refused(const Tiny& tiny) {
  return refusal([&] { tiny.model(); });
}

std::string refused_with(const std::string& name, const nlohmann::json& keys) {
  Tiny tiny(name);
  tiny.config.merge_patch(keys);
  return refused(tiny);
}

/// What refusal() says of what is not refused.
const std::string kAccepted = "no Error";

Tensor logits(const Model& model, const ImageBatch& batch) {
  Workspace workspace({.threads = 1});
  return Engine(model).logits(batch, workspace);
}

}  // namespace

TEST_CASE("a CCT in integers gives the same bits alone and in a batch, and with any number of threads") {
  for (const char* name : {"cct", "cct_two"}) {
    INFO(name);
    const Model model = Tiny(name).model();
    const int size = model.info().image->width;
    Workspace one({.threads = 1}), three({.threads = 3});
    Calibrator calibrator(model);
    calibrator.observe(random_images(32, size), one);
    const Engine engine(calibrator.quantize().model);
    const ImageBatch batch = random_images(5, size, 9);
    const Tensor together = engine.logits(batch, one);
    CHECK(equal_bytes(engine.logits(batch, three), together));
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(equal_bytes(engine.logits(ImageBatch{{batch.images[i]}}, three), row_of(together, i)));
  }
}

TEST_CASE("a CCT's embedding is its pooled sequence, a ViT-Lite's its class token, and classes have names") {
  const Model cct = Tiny("cct").model(), lite = Tiny("vit_lite").model();
  const ImageBatch batch = random_images(2, 16);
  Workspace workspace({.threads = 1});
  CHECK(equal_bytes(embed(Engine(cct), batch, workspace, {.normalize = false}),
                    Engine(cct).output("pooler_output", batch, workspace)));
  const Tensor hidden = Engine(lite).run(batch, workspace);
  CHECK(equal_bytes(row_of(embed(Engine(lite), batch, workspace, {.normalize = false}), 1),
                    row_of(hidden, static_cast<std::size_t>(lite.info().max_positions))));
  CHECK(cct.info().max_positions == 64);
  CHECK(cct.info().prefix_tokens == 0);
  CHECK(lite.info().prefix_tokens == 1);
  CHECK(cct.labels() == std::vector<std::string>{"a", "b", "c", "d", "e"});
  CHECK(cct.warnings().empty());
}

TEST_CASE("what a score adds to all tokens alike changes no pooled sequence") {
  Tiny tiny("cct");
  const ImageBatch batch = random_images(2, 16);
  const Tensor before = logits(tiny.model(), batch);
  tiny.tensors["classifier.attention_pool.bias"] = Tensor(DType::f32, {1});
  tiny.tensors["classifier.attention_pool.bias"].writable<float>()[0] = 3.0f;
  CHECK(largest_difference(logits(tiny.model(), batch).as<float>(), before.as<float>()) < 1e-5);
  tiny.add("classifier.attention_pool.weight", {1, 24}, 1.0f);
  CHECK(largest_difference(logits(tiny.model(), batch).as<float>(), before.as<float>()) > 1e-3);
}

TEST_CASE("an architecture's name must say what the tensors and the pictures are") {
  const auto named = [](const char* architecture) { return refused_with("cct", {{"architecture", architecture}}); };
  CHECK_THAT(named("cct_3_3x1_16"), Catch::Contains("architecture is \"cct_3_3x1_16\", expected one of 2 layers"));
  CHECK_THAT(named("cct_2_5x1_16"), Catch::Contains("expected a kernel as tensor tokenizer.conv_layers.0.0.weight"));
  CHECK_THAT(named("cct_2_3x1_32"), Catch::Contains("expected one for pictures of 16 x 16"));
  CHECK_THAT(named("cct_2_3x2_16"), Catch::Contains("tokenizer.conv_layers.1.0.weight"));
  CHECK_THAT(named("cct_2_3x9_16"), Catch::Contains("tokenizer.conv_layers.1.0.weight"));
  CHECK_THAT(named("cct_2_3x0_16"), Catch::Contains("1 to 4 convolutions"));
  CHECK_THAT(named("cct_2_3x1_16_text"), Catch::Contains("does not know what \"text\" means"));
  CHECK_THAT(named("cvt_2_3_16"), Catch::Contains("classifier.positional_emb"));
  for (const char* other :
       {"cct", "cct_2", "cct_2_3_16", "cct_2_3x_16", "cct_-2_3x1_16", "cct_2_3x1_99999", "cct_2_x1_16"})
    CHECK_THAT(named(other), Catch::Contains("model_type"));
}

TEST_CASE("arguments of a CCT are honoured, compared with its tensors, or refused by name") {
  const auto argument = [](const char* tiny, const char* key, const nlohmann::json& value) {
    return refused_with(tiny, {{"model_args", {{key, value}}}});
  };
  CHECK_THAT(argument("cct", "num_heads", 7), Catch::Contains("heads whose size is a multiple of 4"));
  CHECK_THAT(argument("cct", "padding", 0),
             Catch::Contains("classifier.positional_emb"));  // other tokens than positions
  CHECK_THAT(argument("cct_two", "padding", 7), Catch::Contains("windows that do not fit"));
  CHECK_THAT(argument("cct_two", "pooling_padding", 2), Catch::Contains("windows that do not fit"));
  CHECK_THAT(argument("cct", "stride", 40), Catch::Contains("stride is 40"));
  CHECK_THAT(argument("cct", "embedding_dim", 25), Catch::Contains("embedding_dim is 25, expected 24"));
  CHECK_THAT(argument("cct", "mlp_ratio", 3), Catch::Contains("mlp_ratio"));
  CHECK_THAT(argument("cct", "positional_embedding", "none"), Catch::Contains("positional_embedding"));
  CHECK_THAT(argument("cct", "seq_pool", false), Catch::Contains("seq_pool is false, expected true"));
  CHECK_THAT(argument("cct", "conv_activation", "gelu"), Catch::Contains("conv_activation"));
  CHECK_THAT(argument("cvt", "stride", 2), Catch::Contains("patches lie side by side"));
  CHECK_THAT(refused_with("cct", {{"num_classes", 6}}), Catch::Contains("num_classes is 6, expected 5"));
  CHECK(argument("cct", "mlp_ratio", 2) == kAccepted);
  CHECK(argument("cct", "stochastic_depth", 0.1) == kAccepted);
  CHECK(argument("cct_two", "stride", 1) == kAccepted);  // no positions: any number of tokens
  Tiny wider("cct_two");
  wider.config["model_args"]["stride"] = 1;
  CHECK(wider.model().info().max_positions == 64);
  CHECK(Tiny("cct_two").model().info().max_positions == 4);
}

TEST_CASE("a tensor that a CCT lacks, or has in another shape, is named") {
  for (const char* name :
       {"tokenizer.conv_layers.0.0.weight", "classifier.attention_pool.weight", "classifier.norm.weight",
        "classifier.blocks.1.norm1.bias", "classifier.blocks.0.linear1.bias", "classifier.fc.bias"}) {
    Tiny tiny("cct");
    REQUIRE(tiny.tensors.erase(name) == 1);
    CHECK_THAT(refused(tiny), Catch::Contains(name));
  }
  for (const Tensor::Shape& shape : {Tensor::Shape{24, 4, 3, 3}, {24, 3, 3, 2}, {24, 27}, {0, 3, 3, 3}}) {
    Tiny tiny("cct");
    tiny.tensors["tokenizer.conv_layers.0.0.weight"] = Tensor(DType::f32, shape);
    CHECK_THAT(refused(tiny), Catch::Contains("tokenizer.conv_layers.0.0.weight"));
  }
  Tiny unknown("cct");
  unknown.add("classifier.blocks.0.norm2.weight", {24}, 1.0f);
  CHECK_THAT(refused(unknown), Catch::Contains("classifier.blocks.0.norm2.weight"));
}

}  // namespace octavo::test
