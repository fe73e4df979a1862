// Makes small random ViT checkpoints.
#include "tests/support/tiny_vit.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

namespace octavo::test {

TinyVit::TinyVit(const TinyVitOptions& options) : TinyCheckpoint(3), o(options), timm(o.names == VitNames::timm) {
  write_config();
  const std::int64_t d = o.hidden_size, f = o.intermediate_size, patches = (o.image / o.patch) * (o.image / o.patch);
  const int prefix = (o.mean_pooling ? 0 : 1) + (o.distillation ? 1 : 0) + o.registers;
  if (prefix > o.registers) add(timm ? "cls_token" : "vit.embeddings.cls_token", {1, 1, d}, 0.5f);
  if (o.distillation) add(timm ? "dist_token" : "vit.embeddings.distillation_token", {1, 1, d}, 0.5f);
  if (o.registers > 0) add("reg_token", {1, o.registers, d}, 0.5f);
  add(timm ? "pos_embed" : "vit.embeddings.position_embeddings",
      {1, patches + (o.positions_of_patches_only ? 0 : prefix), d}, 0.3f);
  const std::string projection = timm ? "patch_embed.proj" : "vit.embeddings.patch_embeddings.projection";
  add(projection + ".weight", {d, 3, o.patch, o.patch}, 0.15f);
  add(projection + ".bias", {d}, 0.2f);
  if (o.patch_norm) norm("patch_embed.norm", d);
  if (o.norm_pre) norm("norm_pre", d);
  for (int i = 0; i < o.layers; ++i) layer(i, d, f);
  norm(o.mean_pooling ? "fc_norm" : timm ? "norm" : "vit.layernorm", d);
  if (o.classes > 0) dense(timm ? "head" : o.distillation ? "cls_classifier" : "classifier", o.classes, d);
  if (o.classes > 0 && o.distillation) dense(timm ? "head_dist" : "distillation_classifier", o.classes, d);
}

void TinyVit::write_config() {
  if (timm) {
    config = {{"architecture", "vit_tiny_patch8_32"},
              {"num_features", o.hidden_size},
              {"pretrained_cfg",
               {{"input_size", {3, o.image, o.image}},
                {"interpolation", "bilinear"},
                {"crop_pct", 1.0},
                {"mean", {0.4, 0.5, 0.6}},
                {"std", {0.2, 0.3, 0.4}}}}};
  } else {
    config = {{"model_type", "vit"},
              {"hidden_size", o.hidden_size},
              {"num_hidden_layers", o.layers},
              {"num_attention_heads", o.heads},
              {"intermediate_size", o.intermediate_size},
              {"image_size", o.image},
              {"patch_size", o.patch},
              {"layer_norm_eps", 1e-6}};
    preprocessor = {
        {"size", o.image}, {"resample", 2}, {"image_mean", {0.4, 0.5, 0.6}}, {"image_std", {0.2, 0.3, 0.4}}};
  }
  config["attention_method"] = {{"softmax", {{"gamma", o.gamma}, {"zeta", 1.0}}}};
  if (o.gate)
    config["attention_method"]["gate"] = {{"type", "conditional_per_token"}, {"kind", "linear"}, {"scale", 1.5}};
}

void TinyVit::layer(int i, std::int64_t d, std::int64_t f) {
  const std::string name = (timm ? "blocks." : "vit.encoder.layer.") + std::to_string(i) + ".";
  norm(name + (timm ? "norm1" : "layernorm_before"), d);
  const std::string attention = name + (timm ? "attn" : "attention.attention");
  add(attention + ".qkv.weight", {3 * d, d}, 1.2f / std::sqrt(static_cast<float>(d)));
  if (o.qkv_bias) add(attention + ".qkv.bias", {3 * d}, 0.2f);
  if (!timm) split_qkv(attention, d);
  for (int h = 0; o.gate && h < o.heads; ++h) {
    add(attention + ".alpha." + std::to_string(h) + ".weight", {1, d / o.heads}, 0.5f);
    add(attention + ".alpha." + std::to_string(h) + ".bias", {1}, 0.5f);
  }
  dense(name + (timm ? "attn.proj" : "attention.output.dense"), d, d);
  norm(name + (timm ? "norm2" : "layernorm_after"), d);
  dense(name + (timm ? "mlp.fc1" : "intermediate.dense"), f, d);
  dense(name + (timm ? "mlp.fc2" : "output.dense"), d, f);
}

void TinyVit::split_qkv(const std::string& attention, std::int64_t d) {
  const char* parts[] = {"query", "key", "value"};
  for (const char* kind : {".weight", ".bias"}) {
    const auto whole = tensors.find(attention + ".qkv" + kind);
    if (whole == tensors.end()) continue;
    const auto values = whole->second.as<float>();
    for (std::size_t part = 0; part < 3; ++part) {
      Tensor own(DType::f32, whole->second.shape().size() == 2 ? Tensor::Shape{d, d} : Tensor::Shape{d});
      std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(part * own.as<float>().size()), own.as<float>().size(),
                  own.writable<float>().begin());
      tensors[attention + "." + parts[part] + kind] = own;
    }
    tensors.erase(whole);
  }
}

void TinyVit::dense(const std::string& name, std::int64_t columns, std::int64_t inputs) {
  matrix(name, columns, inputs, 0.8f);
  add(name + ".bias", {columns}, 0.2f);
}

ImageBatch random_images(int count, int size, unsigned seed) {
  std::mt19937 random(seed);
  ImageBatch batch;
  for (int i = 0; i < count; ++i) {
    Image image{.width = size, .height = size};
    const unsigned base = random() % 128;
    for (int j = 0; j < 3 * size * size; ++j) image.pixels.push_back(static_cast<std::uint8_t>(base + random() % 128));
    batch.images.push_back(std::move(image));
  }
  return batch;
}

Model quantized_tiny_vit(const TinyVitOptions& options, const CalibrationOptions& calibration) {
  Calibrator calibrator(TinyVit(options).model(), calibration);
  Workspace workspace({.threads = 1});
  for (unsigned seed = 1; seed <= 3; ++seed) calibrator.observe(random_images(8, options.image, seed), workspace);
  return calibrator.quantize().model;
}

}  // namespace octavo::test
