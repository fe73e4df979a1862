// Vision families as their checkpoints vary: keys, names and tensors of the tiny models of tests/golden/tiny changed.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_vit.h"

#include "octavo/agreement.h"
#include "octavo/comparison.h"
#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>

namespace octavo::test {
namespace {

using Json = nlohmann::json;

/// config.json and tensors of a tiny model, to be changed.
struct Changed {
  explicit Changed(const std::string& name) : folder(source_dir() / "tests/golden/tiny" / name) {
    config = Json::parse(std::ifstream(folder / "config.json"));
    for (const auto& [key, tensor] : read_safetensors(folder / "model.safetensors").tensors) tensors[key] = tensor;
  }

  Model model(const std::vector<std::string>& other_files = {}) const {
    const TemporaryDirectory directory;
    std::ofstream(directory / "config.json") << config.dump();
    write_safetensors(directory / "model.safetensors", tensors, {{"format", "pt"}});
    const std::string file = "preprocessor_config.json";
    if (!processor.is_null())
      std::ofstream(directory / file) << processor.dump();
    else if (std::filesystem::exists(folder / file))
      std::filesystem::copy(folder / file, directory / file);
    for (const std::string& name : other_files) std::ofstream(directory / name) << "no such file of a tokenizer";
    return Model::from_checkpoint(directory.path());
  }

  void rename(const std::string& from, const std::string& to) {
    tensors[to] = tensors.at(from);
    tensors.erase(from);
  }

  std::filesystem::path folder;
  Json config, processor = {};  ///< null: the processor as it is
  std::map<std::string, Tensor, std::less<>> tensors;
};

std::string refused(const Changed& changed) {
  return refusal([&] { changed.model(); });
}

Tensor output(const Model& model, std::string_view name) {
  Workspace workspace({.threads = 1});
  return Engine(model).output(name, random_images(2, model.info().image->width), workspace);
}

/// The model for pictures of this size, as they come.
Model model_of_size(Changed& changed, int size) {
  changed.processor = {{"image_processor_type", "ViTImageProcessor"},
                       {"do_resize", false},
                       {"do_center_crop", true},
                       {"crop_size", size},
                       {"size", size}};
  return changed.model();
}

Image top_left(const Image& image, int size) {
  return resize_image(image, image.width, image.height, Interpolation::bicubic, {.width = size, .height = size});
}

/// Saved and read, so that the file's checks count.
Model quantized(const Model& model, const ImageBatch& batch) {
  const TemporaryDirectory directory;
  Calibrator calibrator(model);
  Workspace workspace({.threads = 1});
  calibrator.observe(batch, workspace);
  calibrator.quantize().model.save(directory / "model.octavo");
  return Model::from_file(directory / "model.octavo");
}

bool warns_of(const Model& model, const std::string& words) {
  return std::ranges::any_of(model.warnings(),
                             [&](const std::string& warning) { return warning.find(words) != warning.npos; });
}

}  // namespace

TEST_CASE("of a CLIP with both towers the one of pictures runs, with a warning, and its tokenizer is not read") {
  const Changed alone("clip");
  Changed both = alone;
  both.config = {{"model_type", "clip"}, {"vision_config", alone.config}, {"text_config", {{"hidden_size", 16}}}};
  both.tensors["text_model.final_layer_norm.weight"] = Tensor(DType::f32, {16});
  both.tensors["logit_scale"] = Tensor(DType::f32, {});
  const Model model = both.model({"vocab.json", "merges.txt", "tokenizer.json"});
  CHECK(equal_bytes(output(model, "image_embeds"), output(alone.model(), "image_embeds")));
  REQUIRE(model.warnings().size() == 1);
  CHECK(warns_of(model, "text_model."));
  CHECK(alone.model().warnings().empty());
  CHECK_FALSE(model.has_tokenizer());
}

TEST_CASE("early files of a CLIP say what the tower is under vision_config_dict") {
  const Changed alone("clip");
  Changed both = alone;
  both.config = {
      {"model_type", "clip"}, {"vision_config", {{"hidden_size", 48}}}, {"vision_config_dict", alone.config}};
  CHECK(both.model().info().hidden_size == 24);
}

TEST_CASE("a CLIP or SigLIP without its projection or head has what is left as its embedding") {
  Changed clip("clip"), siglip("siglip");
  clip.tensors.erase("visual_projection.weight");
  clip.config["architectures"] = {"CLIPVisionModel"};
  CHECK(clip.model().info().embedding.output == "pooler_output");
  std::erase_if(siglip.tensors, [](const auto& named) { return named.first.starts_with("head."); });
  siglip.config["vision_use_head"] = false;
  CHECK(siglip.model().info().embedding.output.empty());
  CHECK(siglip.model().info().outputs.size() == 1);
}

TEST_CASE("a classifier of CLIP or SigLIP reads the mean of the patches") {
  for (const auto& [name, skipped] : {std::pair{"clip", 1}, std::pair{"siglip", 0}}) {
    INFO(name);
    Changed changed(name);
    Tensor identity(DType::f32, {24, 24});
    for (std::size_t i = 0; i < 24; ++i) identity.writable<float>()[25 * i] = 1.0f;
    changed.tensors["classifier.weight"] = identity;
    changed.tensors["classifier.bias"] = Tensor(DType::f32, {24});
    const Model model = changed.model();
    CHECK(model.info().classes == 24);
    CHECK(model.info().prefix_tokens == skipped);
    Workspace workspace({.threads = 1});
    const ImageBatch batch = random_images(2, model.info().image->width);
    const Engine engine(model);
    CHECK(largest_difference(engine.logits(batch, workspace).as<float>(),
                             engine.pool(batch, {Pooling::mean}, workspace).as<float>()) < 1e-5);
  }
}

TEST_CASE("a BEiT's shared table of biases is that of every layer, and a key decides which one is read") {
  Changed own("beit");
  const std::string module = "relative_position_bias.relative_position_bias_table", layer = "beit.encoder.layer.",
                    first = layer + "0.attention.attention." + module,
                    second = layer + "1.attention.attention." + module;
  own.tensors[second] = own.tensors.at(first);
  Changed shared = own;
  shared.rename(first, "beit.encoder." + module);
  shared.tensors.erase(second);
  CHECK_THAT(refused(shared), Catch::Contains("encoder.layer.0.attention.attention." + module));
  shared.config["use_relative_position_bias"] = false;
  shared.config["use_shared_relative_position_bias"] = true;
  CHECK(equal_bytes(output(shared.model(), "logits"), output(own.model(), "logits")));
  shared.config["use_relative_position_bias"] = true;
  CHECK_THAT(refused(shared), Catch::Contains("use_shared_relative_position_bias is true, expected false"));
}

TEST_CASE("a BEiT without mean pooling has a LayerNorm of all rows, and its class token is what is pooled") {
  Changed changed("beit");
  changed.config["use_mean_pooling"] = false;
  for (const char* part : {"weight", "bias"})
    changed.rename(std::string("beit.pooler.layernorm.") + part, std::string("beit.layernorm.") + part);
  const Model model = changed.model();
  const Tensor hidden = output(model, "last_hidden_state"), pooled = output(model, "pooler_output");
  CHECK(std::ranges::equal(pooled.row<float>(1), hidden.row<float>(model.info().max_positions)));
}

TEST_CASE("a tensor that config.json or the other layers say is there is missed by its name") {
  const auto refuses_without = [](Changed changed, const std::string& prefix, const std::string& name) {
    INFO(changed.folder << " without " << name);
    REQUIRE(changed.tensors.erase(prefix + name) == 1);
    CHECK_THAT(refused(changed), Catch::EndsWith("has no tensor " + name));
  };
  const auto each_without = [&](const char* family, const std::string& prefix, std::initializer_list<const char*> all) {
    for (const char* name : all) refuses_without(Changed(family), prefix, name);
  };
  each_without("vit", "vit.",
               {"embeddings.patch_embeddings.projection.bias", "encoder.layer.1.attention.attention.query.bias",
                "encoder.layer.0.attention.output.dense.bias", "encoder.layer.1.intermediate.dense.bias"});
  each_without("vit", "", {"classifier.bias"});
  each_without("dinov2", "dinov2_with_registers.",
               {"embeddings.cls_token", "embeddings.register_tokens", "encoder.layer.0.layer_scale1.lambda1",
                "encoder.layer.1.attention.attention.key.bias"});
  each_without("beit", "beit.",
               {"embeddings.cls_token", "encoder.layer.1.lambda_1", "encoder.layer.0.attention.attention.query.bias"});
  each_without("clip", "vision_model.",
               {"embeddings.class_embedding", "pre_layrnorm.weight", "encoder.layers.1.self_attn.k_proj.bias",
                "encoder.layers.0.mlp.fc2.bias"});
  each_without("clip", "", {"visual_projection.weight"});
  each_without("siglip", "",
               {"embeddings.patch_embedding.bias", "encoder.layers.0.self_attn.out_proj.bias", "head.mlp.fc1.bias",
                "head.probe"});
  each_without("deit3", "timm_model.", {"blocks.1.ls1.gamma", "blocks.0.attn.qkv.bias", "blocks.0.mlp.fc1.bias"});
  Changed none("dinov2");  // of any layer, though qkv_bias is true
  for (const char* layer : {"0", "1"})
    none.tensors.erase("dinov2_with_registers.encoder.layer." + std::string(layer) + ".attention.attention.key.bias");
  CHECK_THAT(refused(none), Catch::EndsWith("has no tensor encoder.layer.0.attention.attention.key.bias"));
  none.config["qkv_bias"] = false;
  CHECK_THAT(refused(none), Catch::Contains("qkv_bias is false, expected true"));
}

TEST_CASE("a classifier of pictures with one class scores its sigmoid, and its embeddings are what is compared") {
  Changed one("beit");
  for (const char* part : {"classifier.weight", "classifier.bias"}) {
    const Tensor all = to_f32(one.tensors.at(part), part);
    const std::size_t own = all.as<float>().size() / 5;
    Tensor first(DType::f32, own == 1 ? Tensor::Shape{1} : Tensor::Shape{1, static_cast<std::int64_t>(own)});
    std::copy_n(all.as<float>().begin(), own, first.writable<float>().begin());
    one.tensors[part] = first;
  }
  one.config["id2label"] = {{"0", "how ripe"}};
  const Engine engine(one.model());
  const ImageBatch batch = random_images(1, 16);
  Workspace workspace({.threads = 1});
  const float logit = engine.logits(batch, workspace).as<float>()[0];
  CHECK(classify(engine, batch, workspace)[0][0].score == Approx(1 / (1 + std::exp(-logit))));
  CHECK(task_answers(engine, batch, workspace).kind == AnswerKind::numbers);
  CHECK(answer(engine, batch, workspace).columns() == 24);
}

TEST_CASE("a ViT's pooler is an activation of a dense layer of the class token's row") {
  Changed changed("vit");
  std::erase_if(changed.tensors, [](const auto& named) { return named.first.starts_with("classifier."); });
  changed.config["architectures"] = {"ViTModel"};
  Tensor weight(DType::f32, {12, 24}), bias(DType::f32, {12});
  for (std::size_t i = 0; i < 12; ++i) {
    weight.writable<float>()[i * 24 + i] = 2.0f;
    bias.writable<float>()[i] = -0.25f;
  }
  changed.tensors["vit.pooler.dense.weight"] = weight;
  CHECK_THAT(refused(changed), Catch::EndsWith("has no tensor pooler.dense.bias"));
  changed.tensors["vit.pooler.dense.bias"] = bias;
  const Tensor hidden = output(changed.model(), "last_hidden_state"), tanh = output(changed.model(), "pooler_output");
  changed.config["pooler_act"] = "relu";
  const Tensor relu = output(changed.model(), "pooler_output");
  REQUIRE(tanh.columns() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    const float x = 2 * hidden.row<float>(0)[i] - 0.25f;
    CHECK(tanh.row<float>(0)[i] == Approx(std::tanh(x)).margin(1e-5));
    CHECK(relu.row<float>(0)[i] == Approx(std::max(x, 0.0f)).margin(1e-5));
  }
  changed.config["pooler_act"] = "mish";
  CHECK_THAT(refused(changed), Catch::Contains("pooler_act is \"mish\""));
}

TEST_CASE("a DINOv2 has as many register tokens as config.json says, also none") {
  Changed changed("dinov2"), none = changed;
  changed.config["num_register_tokens"] = 4;
  CHECK_THAT(refused(changed), Catch::EndsWith("embeddings.register_tokens holds 3 tokens, expected 4"));
  none.config["num_register_tokens"] = 0;
  CHECK_THAT(refused(none), Catch::Contains("embeddings.register_tokens"));
  Tensor& tokens = none.tensors.at("dinov2_with_registers.embeddings.register_tokens");
  tokens = Tensor(DType::f32, {1, 0, 24});
  const Tensor empty = output(none.model(), "logits");
  none.tensors.erase("dinov2_with_registers.embeddings.register_tokens");
  CHECK(equal_bytes(output(none.model(), "logits"), empty));
  CHECK(none.model().info().prefix_tokens == 1);
}

TEST_CASE("what lies behind the last whole patch of a picture is not seen, in float32 and INT8") {
  for (const char* name : {"beit", "clip", "dinov2", "siglip", "vit"}) {
    INFO(name);
    Changed whole(name), more = whole;
    whole.config["image_size"] = 16;
    more.config["image_size"] = 19;
    const Model a = model_of_size(whole, 16), b = model_of_size(more, 19);
    REQUIRE(b.info().image->width == 19);
    CHECK(b.info().max_positions == a.info().max_positions);
    const ImageBatch wide = random_images(2, 19);
    ImageBatch cut;
    for (const Image& image : wide.images) cut.images.push_back(top_left(image, 16));
    const auto compare = [&](const Model& of_cut, const Model& of_wide) {
      Workspace workspace({.threads = 1});
      CHECK(equal_bytes(Engine(of_cut).run(cut, workspace), Engine(of_wide).run(wide, workspace)));
    };
    compare(a, b);
    compare(quantized(a, cut), quantized(b, wide));
  }
}

TEST_CASE("of a timm model without a head num_classes says nothing") {
  Changed changed("deit3");
  for (const char* part : {"weight", "bias"}) changed.tensors.erase(std::string("timm_model.head.") + part);
  CHECK_THAT(refused(changed), Catch::Contains("num_classes is 5, expected 0"));
  changed.config["architectures"] = {"TimmWrapperModel"};
  CHECK(changed.model().info().classes == 0);
  CHECK_FALSE(warns_of(changed.model(), "num_classes"));
}

TEST_CASE("what a vision family does not have is refused by name, and an unknown key is a warning") {
  Changed giant("dinov2"), both("siglip"), scores("beit"), head("beit"), key("dinov2");
  giant.config["use_swiglu_ffn"] = true;
  CHECK_THAT(refused(giant), Catch::Contains("use_swiglu_ffn is true, expected false"));
  both.tensors.erase("head.attention.in_proj_bias");
  CHECK_THAT(refused(both), Catch::Contains("head.attention.in_proj_bias"));
  scores.config["problem_type"] = "multi_label_classification";
  CHECK_THAT(refused(scores), Catch::Contains("problem_type"));
  head.config["architectures"] = {"BeitForMaskedImageModeling"};
  CHECK_THAT(refused(head), Catch::Contains("BeitForMaskedImageModeling"));
  key.config["rope_theta"] = 100;
  CHECK(warns_of(key.model(), "rope_theta"));
}

}  // namespace octavo::test
