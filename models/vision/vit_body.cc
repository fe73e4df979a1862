#include "models/vision/vit_body.h"

#include "models/directory/image_config.h"
#include "models/parts/config_keys.h"
#include "models/parts/resize_positions.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace octavo {
namespace {

/// Finds the table of positions, whose name is `positions`, and the rows of it that tokens add.
void set_positions(const VitConfig& config, const std::string& positions, CheckpointTensors& tensors,
                   EmbedPatches& op) {
  const int size = config.layer.hidden_size;
  if (config.positions == VitPositions::absent) {
    op.position = tensors.add("embeddings.no_positions", Tensor(DType::f32, {op.patches(), size}));
    return;
  }
  const Tensor::Shape& shape = tensors.shape(positions);
  const bool is_matrix = shape.size() == 2;  // an embedding's weight
  const auto shape_of = [&](std::int64_t rows) {
    return is_matrix ? Tensor::Shape{rows, size} : Tensor::Shape{1, rows, size};
  };
  if (config.positions != VitPositions::stored) {
    const std::int64_t rows = shape.size() == 3 ? shape[1] : 0;
    const auto edge = static_cast<int>(std::lround(std::sqrt(static_cast<double>(rows - 1))));
    if (rows < 2 || std::int64_t{edge} * edge != rows - 1)
      throw Error("tensor " + positions + " does not hold a row for the class token and a square of patches");
    op.position = tensors.take(positions, shape_of(rows));
    if (edge != op.grid_width || edge != op.grid_height) {
      const bool antialias = config.positions == VitPositions::resized_with_antialiasing;
      Tensor resized = resize_positions(
          tensors.floats(op.position),
          {.prefix = 1, .from = edge, .width = op.grid_width, .height = op.grid_height, .antialias = antialias});
      op.position = tensors.replace({op.position}, op.position + ".resized", std::move(resized));
    }
    op.prefix.at(0).position = 0;
    op.first_position = 1;
    return;
  }
  if (shape != shape_of(op.patches())) {
    for (PrefixRows& rows : op.prefix) {
      rows.position = op.first_position;
      op.first_position += rows.rows;
    }
  }
  op.position = tensors.take(positions, shape_of(op.first_position + op.patches()));
}

}  // namespace

VitNames transformers_names() {
  return {.patches = "embeddings.patch_embeddings.projection",
          .class_token = "embeddings.cls_token",
          .positions = "embeddings.position_embeddings",
          .layer = "encoder.layer.",
          .norm1 = "layernorm_before",
          .norm2 = "layernorm_after",
          .query = "attention.attention.query",
          .key = "attention.attention.key",
          .value = "attention.attention.value",
          .attention = "attention.attention",
          .attention_output = "attention.output.dense",
          .hidden = "intermediate.dense",
          .output = "output.dense"};
}

VitConfig read_vit_config(const JsonObject& config, const VitConfig& missing) {
  const LayerConfig& layer = missing.layer;
  const int hidden = config.integer_or("hidden_size", 1, 8192, layer.hidden_size);
  const int heads = config.integer_or("num_attention_heads", 1, 1024, layer.heads);
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, missing.layers),
          .layer = {.hidden_size = hidden,
                    .heads = heads,
                    .head_size = read_head_size(config, "num_attention_heads", hidden, heads),
                    .intermediate_size =
                        layer.intermediate_size == 0
                            ? 0
                            : config.integer_or("intermediate_size", 1, kMaxColumns, layer.intermediate_size),
                    .activation = read_activation(config, "hidden_act", layer.activation),
                    .norm_before = true},
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, missing.epsilon),
          .positions = missing.positions,
          .image = missing.image};
}

VitBody::VitBody(const VitConfig& config, VitNames names, const AttentionMethod& method, CheckpointTensors& tensors)
    : config_(config),
      names_(std::move(names)),
      method_(method),
      tensors_(tensors),
      modules_(tensors,
               {.hidden_size = config.layer.hidden_size, .epsilon = config.epsilon, .biases = Biases::as_found}) {
  require_tensors();
}

void VitBody::require_tensors() const {
  for (const std::string& name : config_.needed) tensors_.require(name);
  const auto in_layer = [this](int i, const std::string& name) {
    return names_.layer + std::to_string(i) + "." + name;
  };
  const auto is_in_one = [&](const std::string& name) {
    for (int i = 0; i < config_.layers; ++i) {
      if (tensors_.has(in_layer(i, name))) return true;
    }
    return false;
  };
  std::vector<std::string> needed = config_.needed_in_layers;
  for (const std::string* module : {&names_.query, &names_.key, &names_.value, &names_.qkv, &names_.attention_output,
                                    &names_.hidden, &names_.output}) {
    if (!module->empty() && is_in_one(*module + ".bias")) needed.push_back(*module + ".bias");
  }
  const std::vector<std::string> scales = {names_.attention_scale, names_.output_scale};
  if (std::ranges::any_of(scales, is_in_one)) needed.insert(needed.end(), scales.begin(), scales.end());
  for (int i = 0; i < config_.layers; ++i) {
    for (const std::string& name : needed) tensors_.require(in_layer(i, name));
  }
}

int VitBody::patch_size() const {
  const std::string name = names_.patches + ".weight";
  const Tensor::Shape& shape = tensors_.shape(name);
  if (shape.size() != 4 || shape[1] != 3 || shape[2] != shape[3] || shape[2] < 1 || shape[2] > 64) {
    throw Error("tensor " + name +
                " is not [hidden size, 3, patch size, patch size] with patches of at most 64 pixels");
  }
  return static_cast<int>(shape[2]);
}

/// Class, distillation and register tokens, in this order, as far as there are any.
std::vector<PrefixRows> VitBody::prefix() {
  std::vector<PrefixRows> rows;
  for (const std::string* name : {&names_.class_token, &names_.distillation_token, &names_.registers}) {
    if (!tensors_.has(*name)) continue;
    const Tensor::Shape& shape = tensors_.shape(*name);
    const bool is_row = shape.size() == 1;  // CLIP's
    const std::int64_t count = shape.size() == 3 ? shape[1] : is_row ? 1 : 0;
    const std::int64_t expected = name != &names_.registers ? 1 : config_.registers.value_or(count);
    if (count != expected || count < 1 || count > 64) {
      throw Error("tensor " + *name + " holds " + std::to_string(count) + " tokens, expected " +
                  (count != expected ? std::to_string(expected) : "1 to 64"));
    }
    const std::int64_t size = config_.layer.hidden_size;
    rows.push_back({.token = tensors_.take(*name, is_row ? Tensor::Shape{size} : Tensor::Shape{1, count, size}),
                    .rows = static_cast<int>(count),
                    .position = -1});
  }
  return rows;
}

ValueId VitBody::embeddings(GraphBuilder& g) {
  const int size = config_.layer.hidden_size, patch = patch_size();
  const ImageSettings& image = config_.image;
  if (image.width < patch || image.height < patch) {
    throw Error("images of " + std::to_string(image.width) + " x " + std::to_string(image.height) +
                " pixels are smaller than patches of " + std::to_string(patch));
  }
  EmbedPatches op{.projection = {.name = names_.patches,
                                 .weight = tensors_.take(names_.patches + ".weight", {size, 3, patch, patch}),
                                 .bias = "",
                                 .columns = size},
                  .patch_size = patch,
                  .grid_width = image.width / patch,
                  .grid_height = image.height / patch,
                  .prefix = prefix(),
                  .position = names_.positions,
                  .first_position = 0,
                  .norm = {},
                  .mean = image.mean,
                  .deviation = image.deviation};
  if (tensors_.has(names_.patches + ".bias")) op.projection.bias = tensors_.take(names_.patches + ".bias", {size});
  prefix_rows_ = op.prefix_rows();
  grid_width_ = op.grid_width;
  grid_height_ = op.grid_height;
  set_positions(config_, names_.positions, tensors_, op);
  if (has(names_.patch_norm)) op.norm = modules_.norm(names_.patch_norm);
  const ValueId x = g.embed_patches("embeddings", size, std::move(op));
  return has(names_.norm_pre) ? g.layer_norm(names_.norm_pre, x, modules_.norm(names_.norm_pre)) : x;
}

ValueId VitBody::layers(GraphBuilder& g, ValueId x, const std::vector<ScoreBias>& biases) {
  for (int i = 0; i < config_.layers; ++i) {
    const std::string own = names_.layer + std::to_string(i) + ".";
    const auto named = [&](const std::string& name) { return name.empty() ? "" : own + name; };
    LayerConfig config = config_.layer;
    if (!biases.empty()) config.bias = biases.at(static_cast<std::size_t>(i));
    x = transformer_layer(g, x,
                          {.query = own + names_.query,
                           .key = own + names_.key,
                           .value = own + names_.value,
                           .qkv = named(names_.qkv),
                           .attention = own + names_.attention,
                           .attention_output = own + names_.attention_output,
                           .attention_norm = own + names_.norm1,
                           .attention_scale = named(names_.attention_scale),
                           .hidden = own + names_.hidden,
                           .sum_norm = named(names_.sum_norm),
                           .output = own + names_.output,
                           .output_norm = named(names_.norm2),
                           .output_scale = named(names_.output_scale)},
                          config, modules_, method_);
  }
  return x;
}

ModelInfo VitBody::info(const std::string& family) const {
  return {.family = family,
          .layers = config_.layers,
          .hidden_size = config_.layer.hidden_size,
          .attention_heads = config_.layer.heads,
          .intermediate_size = config_.layer.intermediate_size,
          .max_positions = prefix_rows_ + grid_width_ * grid_height_,
          .softmax = {},
          .prefix_tokens = prefix_rows_,
          .image = config_.image};
}

int count_layers(const CheckpointTensors& tensors, const VitNames& names) {
  int layers = 0;
  while (layers < 1000 && tensors.has(names.layer + std::to_string(layers) + "." + names.norm1 + ".weight")) ++layers;
  if (layers == 0) throw Error("the checkpoint has no tensor " + names.layer + "0." + names.norm1 + ".weight");
  return layers;
}

void check_vit_config(const JsonObject& config, const CheckpointTensors& tensors, const std::string& patches) {
  if (config.integer_or("num_channels", 1, 1000, 3) != 3) config.fail("num_channels", "3");
  for (const char* ending : {"ForMaskedImageModeling", "ForSemanticSegmentation"}) {
    if (architecture(config).ends_with(ending))
      config.fail("architectures", "a model without a head or with a classifier of pictures");
  }
  const std::string weight = patches + ".weight";
  if (config.has("patch_size") && tensors.has(weight) && tensors.shape(weight).size() == 4 &&
      square_edge(config, "patch_size") != tensors.shape(weight)[2])
    config.fail("patch_size", "that of tensor " + weight);
}

void read_qkv_bias(const JsonObject& config, const CheckpointTensors& tensors, const VitNames& names,
                   VitConfig& result) {
  const bool biases = config.flag_or("qkv_bias", true);
  for (const std::string* module : {&names.query, &names.key, &names.value}) {
    const std::string bias = *module + ".bias";
    if (biases) result.needed_in_layers.push_back(bias);
    for (int i = 0; !biases && i < result.layers; ++i) {
      const std::string name = names.layer + std::to_string(i) + "." + bias;
      if (tensors.has(name)) config.fail("qkv_bias", "true, since the checkpoint has " + name);
    }
  }
}

void need_layer_biases(const VitNames& names, VitConfig& result) {
  for (const std::string* module : {&names.attention_output, &names.hidden, &names.output})
    result.needed_in_layers.push_back(*module + ".bias");
}

void need_whole(const std::string& module, const CheckpointTensors& tensors, VitConfig& result) {
  const std::initializer_list<std::string> parts = {module + ".weight", module + ".bias"};
  if (std::ranges::any_of(parts, [&](const std::string& part) { return tensors.has(part); }))
    result.needed.insert(result.needed.end(), parts);
}

void need_classifier(const JsonObject& config, const CheckpointTensors& tensors,
                     std::initializer_list<std::string> modules, VitConfig& result, std::string_view ending) {
  const bool without_classes =
      config.has("id2label") && !config.is_array("id2label") && !config.section("id2label").has("0");
  bool needed = architecture(config).ends_with(ending) && !without_classes;
  for (const std::string& module : modules)
    needed = needed || tensors.has(module + ".weight") || tensors.has(module + ".bias");
  if (!needed) return;
  for (const std::string& module : modules)
    result.needed.insert(result.needed.end(), {module + ".weight", module + ".bias"});
}

}  // namespace octavo
