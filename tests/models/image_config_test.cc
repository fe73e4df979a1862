// Picture settings and architecture arguments of timm's and Hugging Face's files: honoured, refused by name, or
// reported.
#include "models/directory/image_config.h"

#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"

#include <algorithm>

namespace octavo::test {
namespace {

using Json = nlohmann::json;

TinyVit timm() { return TinyVit(); }
TinyVit hugging_face() { return TinyVit({.names = VitNames::hugging_face}); }

std::string error_of(const TinyVit& vit) {
  return refusal([&] { vit.model(); });
}

/// The message for a checkpoint with this key changed.
std::string with_argument(const std::string& key, const Json& value) {
  TinyVit vit;
  vit.config["model_args"][key] = value;
  return error_of(vit);
}
std::string with_picture_key(const std::string& key, const Json& value) {
  TinyVit vit = hugging_face();
  vit.preprocessor[key] = value;
  return error_of(vit);
}

ImageSettings settings_of(const Json& preprocessor) {
  TinyVit vit = hugging_face();
  for (const auto& [key, value] : preprocessor.items()) vit.preprocessor[key] = value;
  return *vit.model().info().image;
}

std::vector<float> logits_of(const TinyVit& vit) {
  Workspace workspace({.threads = 1});
  const Tensor logits = Engine(vit.model()).logits(random_images(2, 32), workspace);
  return {logits.as<float>().begin(), logits.as<float>().end()};
}

bool warns_of(const TinyVit& vit, const std::string& sentence) {
  const std::vector<std::string> warnings = vit.model().warnings();
  INFO(Json(warnings).dump());
  return std::any_of(warnings.begin(), warnings.end(),
                     [&](const std::string& warning) { return warning.find(sentence) != std::string::npos; });
}

}  // namespace

TEST_CASE("an argument of timm's model that the tensors do not show is honoured, or refused by name") {
  CHECK(with_argument("act_layer", "gelu") == "no Error");
  CHECK(with_argument("act_layer", "quick_gelu") == "no Error");
  CHECK_THAT(with_argument("act_layer", "mish"), Catch::Contains("config.json: model_args: act_layer is \"mish\""));
  for (const char* key : {"qk_norm", "scale_attn_norm", "scale_mlp_norm", "pool_include_prefix", "use_naflex"})
    CHECK_THAT(with_argument(key, true), Catch::Contains(std::string(key) + " is true, expected false"));
  CHECK_THAT(with_argument("init_values", 1e-5), Catch::Contains("init_values"));
  CHECK_THAT(with_argument("norm_layer", "rmsnorm"), Catch::Contains("norm_layer"));
  CHECK_THAT(with_argument("embed_norm_layer", "rmsnorm"), Catch::Contains("embed_norm_layer"));
  CHECK_THAT(with_argument("global_pool", "max"), Catch::Contains("global_pool is \"max\", expected token"));
  CHECK_THAT(with_argument("final_norm", false), Catch::Contains("final_norm"));
  CHECK_THAT(with_argument("attn_layer", "diff"), Catch::Contains("attn_layer"));
  CHECK_THAT(with_argument("pos_embed", "none"), Catch::Contains("pos_embed"));
  CHECK_THAT(with_argument("rope_theta", 100), Catch::Contains("rope_theta"));
  CHECK(with_argument("drop_path_rate", 0.1) == "no Error");
  CHECK(with_argument("dynamic_img_size", true) == "no Error");
}

TEST_CASE("an argument of timm's model that contradicts the tensors is an error that names it") {
  for (const auto& [key, right, wrong] : {std::tuple<const char*, Json, Json>{"class_token", true, false},
                                          {"reg_tokens", 0, 4},
                                          {"pre_norm", false, true},
                                          {"qkv_bias", true, false},
                                          {"proj_bias", true, false},
                                          {"fc_norm", false, true},
                                          {"no_embed_class", false, true},
                                          {"embed_dim", 48, 64},
                                          {"depth", 2, 12},
                                          {"num_heads", 3, 5},
                                          {"num_classes", 10, 1000},
                                          {"patch_size", 8, 16},
                                          {"img_size", 32, 64},
                                          {"in_chans", 3, 1}}) {
    INFO(key);
    CHECK(with_argument(key, right) == "no Error");
    CHECK(with_argument(key, wrong) != "no Error");
  }
  CHECK(with_argument("mlp_ratio", 80.0 / 48) == "no Error");
  CHECK_THAT(with_argument("mlp_ratio", 4), Catch::Contains("mlp_ratio"));
  TinyVit classes;
  classes.config["num_classes"] = 1000;
  CHECK_THAT(error_of(classes), Catch::Contains("num_classes is 1000, expected 10"));
}

TEST_CASE("the name of an architecture says what its arguments do not, and a word that is not known is refused") {
  TinyVit clip, quick, unknown, plain = timm();
  clip.config["architecture"] = "vit_tiny_patch8_clip_32";
  CHECK(logits_of(clip) != logits_of(plain));  // another epsilon
  clip.config["model_args"]["norm_layer"] = "layernorm";
  CHECK(logits_of(clip) == logits_of(plain));
  quick.config["architecture"] = "vit_tiny_patch8_clip_quickgelu_32";
  const auto by_name = logits_of(quick);
  clip.config["model_args"] = {{"act_layer", "quick_gelu"}};
  CHECK(by_name == logits_of(clip));
  quick.config["model_args"] = {{"act_layer", "gelu"}};
  CHECK(logits_of(quick) != by_name);
  unknown.config["architecture"] = "vit_tiny_patch8_rpn_32";
  CHECK_THAT(error_of(unknown), Catch::Contains("\"rpn\""));
}

TEST_CASE("relu or quick_gelu in place of gelu changes the logits of either library's checkpoint in the same way") {
  TinyVit a = timm(), b = hugging_face();
  const std::vector<float> gelu = logits_of(a);
  a.config["model_args"]["act_layer"] = "relu";
  b.config["hidden_act"] = "relu";
  CHECK(logits_of(a) != gelu);
  CHECK(logits_of(a) == logits_of(b));
  a.config["model_args"]["act_layer"] = b.config["hidden_act"] = "quick_gelu";
  CHECK(logits_of(a) != gelu);
  CHECK(logits_of(a) == logits_of(b));
  b.config["hidden_act"] = "mish";
  CHECK_THAT(error_of(b), Catch::Contains("hidden_act is \"mish\""));
}

TEST_CASE("timm's picture settings stand in pretrained_cfg or at the top, with timm's defaults") {
  TinyVit nested, flat;
  flat.config.erase("pretrained_cfg");
  flat.config.update(nested.config["pretrained_cfg"]);
  CHECK(nested.model().info().image->resize_height == flat.model().info().image->resize_height);
  CHECK(flat.model().info().image->interpolation == Interpolation::bilinear);
  for (const char* key : {"interpolation", "crop_pct", "mean", "std"}) nested.config["pretrained_cfg"].erase(key);
  const ImageSettings silent = *nested.model().info().image;
  CHECK(silent.interpolation == Interpolation::bicubic);
  CHECK(silent.resize_height == 36);  // 32 / 0.875
  CHECK(silent.crop == Crop::centre_rounded);
  CHECK(silent.mean == std::array<double, 3>{0.485, 0.456, 0.406});
  TinyVit border;
  border.config["pretrained_cfg"]["crop_mode"] = "border";
  CHECK_THAT(error_of(border), Catch::Contains("crop_mode is \"border\""));
}

TEST_CASE("every switch of a Hugging Face image processor is honoured in both states, or refused by name") {
  CHECK(settings_of({}).resize == Resize::both_edges);
  CHECK(settings_of({}).crop == Crop::none);
  CHECK(settings_of({{"do_resize", false}}).resize == Resize::none);
  const ImageSettings crop =
      settings_of({{"do_center_crop", true}, {"crop_size", 32}, {"size", {{"shortest_edge", 40}}}});
  CHECK(crop.crop == Crop::centre_down);
  CHECK(crop.resize_height == 40);
  CHECK(settings_of({{"size", {32, 32}}}).resize_width == 32);
  // (level - 102) / 51 is (level / 255 - 0.4) / 0.2
  const ImageSettings raw = settings_of({{"do_rescale", false}, {"image_mean", 102}, {"image_std", 51}});
  CHECK(std::abs(raw.mean[1] - 0.4) < 1e-12);
  CHECK(std::abs(raw.deviation[1] - 0.2) < 1e-12);
  CHECK(settings_of({{"do_normalize", false}}).mean == std::array<double, 3>{0, 0, 0});
  CHECK(settings_of({{"do_normalize", false}}).deviation == std::array<double, 3>{1, 1, 1});
  CHECK(std::abs(settings_of({{"rescale_factor", 1 / 127.5}}).mean[0] - 0.2) < 1e-12);
  CHECK(settings_of({{"do_convert_rgb", true}, {"do_pad", false}, {"do_flip_channel_order", false}}).width == 32);
  CHECK_THAT(with_picture_key("do_pad", true), Catch::Contains("do_pad is true"));
  CHECK_THAT(with_picture_key("do_flip_channel_order", true), Catch::Contains("do_flip_channel_order is true"));
  CHECK_THAT(with_picture_key("do_center_crop", true), Catch::Contains("crop_size is missing"));
  CHECK_THAT(with_picture_key("size", {{"shortest_edge", 32}, {"longest_edge", 64}}), Catch::Contains("longest_edge"));
  CHECK_THAT(with_picture_key("size", 48), Catch::Contains("image_size 32"));
  CHECK_THAT(with_picture_key("resample", 6), Catch::Contains("resample"));
  CHECK_THAT(with_picture_key("image_mean", {0.5, 0.5}), Catch::Contains("image_mean"));
  CHECK_THAT(with_picture_key("image_processor_type", "ConvNextImageProcessor"),
             Catch::Contains("image_processor_type"));
  CHECK_THAT(with_picture_key("auto_map", {{"AutoImageProcessor", "x.Y"}}), Catch::Contains("auto_map"));
}

TEST_CASE("Pillow's numbers of filters are those of the files") {
  constexpr Interpolation filters[] = {Interpolation::nearest, Interpolation::lanczos, Interpolation::bilinear,
                                       Interpolation::bicubic, Interpolation::box,     Interpolation::hamming};
  for (int i = 0; i < 6; ++i) CHECK(settings_of({{"resample", i}}).interpolation == filters[i]);
}

TEST_CASE("an image processor that is silent does what its class does, and a missing one is reported") {
  const auto settings = [](const Json& config, const std::optional<Json>& processor) {
    std::vector<std::string> warnings;
    const auto file = processor ? std::optional(JsonObject(*processor, "preprocessor_config.json")) : std::nullopt;
    const char* own = config.at("model_type") == "deit" ? "DeiTImageProcessor" : "ViTImageProcessor";
    const ImageSettings result =
        read_hugging_face_images(JsonObject(config, "config.json"), file, {.processor = own}, warnings);
    return std::pair(result, warnings);
  };
  const ImageSettings vit = settings({{"model_type", "vit"}}, Json::object()).first;
  CHECK(vit.interpolation == Interpolation::bilinear);
  CHECK(vit.crop == Crop::none);
  const ImageSettings deit =
      settings({{"model_type", "vit"}}, Json{{"feature_extractor_type", "DeiTFeatureExtractor"}}).first;
  CHECK(deit.interpolation == Interpolation::bicubic);
  CHECK(deit.resize_height == 256);
  CHECK(deit.crop == Crop::centre_down);
  const ImageSettings clip =
      settings({{"model_type", "vit"}}, Json{{"image_processor_type", "CLIPImageProcessorFast"}, {"size", 256}}).first;
  CHECK(clip.resize == Resize::shortest_edge);
  const auto [missing, warnings] = settings({{"model_type", "deit"}}, std::nullopt);
  CHECK(missing.resize_height == 256);
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(
      warnings[0],
      Catch::Contains(
          "preprocessor_config.json: is missing; pictures are prepared with the defaults of DeiTImageProcessor"));
}

TEST_CASE("pictures of a model whose positions are resized have the processor's size, which must not depend on them") {
  std::vector<std::string> warnings;
  const auto settings = [&](const Json& processor) {
    return read_hugging_face_images(JsonObject({{"image_size", 518}}, "config.json"),
                                    JsonObject(processor, "preprocessor_config.json"),
                                    {.processor = "BitImageProcessor", .size_of_model = false}, warnings);
  };
  const ImageSettings usual = settings({{"size", {{"shortest_edge", 256}}}, {"crop_size", 224}});
  CHECK(std::pair(usual.width, usual.height) == std::pair(224, 224));
  CHECK(settings({{"do_center_crop", false}, {"size", {{"height", 98}, {"width", 70}}}}).height == 98);
  CHECK_THROWS_WITH(settings({{"do_center_crop", false}}), Catch::Contains("do_center_crop"));
}

TEST_CASE("image_processor of processor_config.json wins over preprocessor_config.json") {
  TinyVit vit = hugging_face();
  TemporaryDirectory directory;
  vit.write(directory.path());
  Json section = vit.preprocessor;
  section["resample"] = 1;
  std::ofstream(directory.path() / "processor_config.json") << Json{{"image_processor", section}}.dump();
  CHECK(Model::from_checkpoint(directory.path()).info().image->interpolation == Interpolation::lanczos);
  section["do_pad"] = true;
  std::ofstream(directory.path() / "processor_config.json") << Json{{"image_processor", section}}.dump();
  CHECK_THROWS_WITH(Model::from_checkpoint(directory.path()),
                    Catch::Contains("processor_config.json: image_processor: do_pad"));
}

TEST_CASE("a key that octavo does not know is reported, in every file of a ViT checkpoint") {
  TinyVit top = timm(), settings = timm(), config = hugging_face(), processor = hugging_face();
  CHECK(timm().model().warnings().empty());
  CHECK(hugging_face().model().warnings().empty());
  top.config["stochastic_head"] = true;
  CHECK(warns_of(top, "config.json: stochastic_head"));
  settings.config["pretrained_cfg"]["gamma"] = 2;
  CHECK(warns_of(settings, "config.json: pretrained_cfg: gamma"));
  config.config["layer_scale"] = 0.1;
  CHECK(warns_of(config, "config.json: layer_scale"));
  processor.preprocessor["offset"] = true;
  CHECK(warns_of(processor, "preprocessor_config.json: offset"));
}

TEST_CASE("what a checkpoint says twice and differently is reported") {
  TinyVit pool({.mean_pooling = true}), names = hugging_face(), problem = hugging_face(), bias = hugging_face();
  pool.config["global_pool"] = "token";
  pool.config["model_args"] = {{"global_pool", "avg"}};
  CHECK(warns_of(pool, "global_pool contradicts model_args.global_pool"));
  names.config["id2label"] = {{"0", "cat"}, {"1", "dog"}};
  CHECK(warns_of(names, "id2label does not name the 10 classes"));
  problem.config["problem_type"] = "multi_label_classification";
  CHECK_THAT(error_of(problem), Catch::Contains("problem_type"));
  bias.config["qkv_bias"] = false;
  for (const char* part : {"query", "key", "value"})
    bias.add(std::string("vit.encoder.layer.0.attention.attention.") + part + ".bias", {48}, 0.1f);
  CHECK_THAT(error_of(bias), Catch::Contains("qkv_bias"));
}

TEST_CASE("names of classes are a list or an object") {
  TinyVit list, object;
  std::vector<std::string> names;
  for (int i = 0; i < 10; ++i) {
    names.push_back("class " + std::to_string(i));
    object.config["label_names"][std::to_string(i)] = names.back();
  }
  list.config["label_names"] = names;
  CHECK(list.model().labels() == names);
  CHECK(object.model().labels() == names);
}

}  // namespace octavo::test
