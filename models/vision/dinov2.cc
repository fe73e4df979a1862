// DINOv2, with and without register tokens: a ViT with layer scale whose positions are resized to the pictures' size.
#include "models/directory/image_config.h"
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/vision/vit_body.h"

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {
namespace {

const VitNames kNames = [] {
  VitNames names = transformers_names();
  names.registers = "embeddings.register_tokens";
  names.norm1 = "norm1";
  names.norm2 = "norm2";
  names.hidden = "mlp.fc1";
  names.output = "mlp.fc2";
  names.attention_scale = "layer_scale1.lambda1";
  names.output_scale = "layer_scale2.lambda1";
  return names;
}();
constexpr const char* kNorm = "layernorm";

/// Where a key is missing, as Dinov2Config of transformers 5 has it.
VitConfig read_config(const JsonObject& config, const std::optional<JsonObject>& processor,
                      const CheckpointTensors& tensors, std::vector<std::string>& warnings) {
  refuse_unsupported_keys(config);
  check_vit_config(config, tensors, kNames.patches);
  require_softmax(config);
  if (config.flag_or("use_swiglu_ffn", false)) config.fail("use_swiglu_ffn", "false: octavo has no SwiGLU");
  VitConfig result =
      read_vit_config(config, {.layers = 12, .layer = {.hidden_size = 768, .heads = 12}, .epsilon = 1e-6});
  result.layer.intermediate_size =
      static_cast<int>(result.layer.hidden_size * config.number_or("mlp_ratio", 0.01, 100, 4.0));
  result.needed = {kNames.patches + ".bias", kNames.class_token};
  result.registers = model_type(config) == "dinov2" ? 0 : config.integer_or("num_register_tokens", 0, 64, 4);
  if (*result.registers > 0) result.needed.push_back(kNames.registers);
  result.needed_in_layers = {kNames.attention_scale, kNames.output_scale};
  need_layer_biases(kNames, result);
  read_qkv_bias(config, tensors, kNames, result);
  need_classifier(config, tensors, {"classifier"}, result);
  result.positions = model_type(config) == "dinov2" ? VitPositions::resized : VitPositions::resized_with_antialiasing;
  // Pictures are of the processor's size, whatever image_size the table of positions is of.
  result.image =
      read_hugging_face_images(config, processor, {.processor = "BitImageProcessor", .size_of_model = false}, warnings);
  warn_of_unread_keys(config,
                      {"apply_layernorm", "drop_path_rate", "layerscale_value", "num_register_tokens", "out_features",
                       "out_indices", "reshape_hidden_states", "stage_names", "use_mask_token"},
                      warnings);
  return result;
}

/// The classes are of the class token beside the mean of the patches.
int add_heads(GraphBuilder& g, ValueId hidden, VitBody& body) {
  g.output("pooler_output", g.select_rows("pooler_output", hidden, {.selection = Selection::first, .count = 1}));
  if (!body.has("classifier")) return 0;
  Modules& modules = body.modules();
  const ValueId rows =
      g.select_rows("classifier.rows", hidden, {.selection = Selection::first_and_mean, .count = body.prefix_rows()});
  const int classes = modules.tensors().first_dimension("classifier.weight", kMaxColumns);
  Heads(g, hidden, modules).logits(rows, modules.dense("classifier", classes, 2 * modules.hidden_size()));
  return classes;
}

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), model_type(config) + ".");
  Model::Data data;
  const VitConfig vit = read_config(config, checkpoint.image_processor, tensors, data.warnings);
  std::vector<std::string_view> unneeded = {"embeddings.mask_token"};
  VitNames names = kNames;
  if (vit.registers == 0) {
    names.registers.clear();
    if (tensors.has(kNames.registers) && tensors.shape(kNames.registers) == Tensor::Shape{1, 0, vit.layer.hidden_size})
      unneeded.emplace_back(kNames.registers);  // transformers writes it
  }
  VitBody body(vit, names, method, tensors);
  GraphBuilder g;
  ValueId x = body.layers(g, body.embeddings(g));
  x = g.layer_norm(kNorm, x, body.modules().norm(kNorm));
  g.output(kHiddenState, x);
  const int classes = add_heads(g, x, body);
  data.graph = g.finish();
  data.tensors = std::move(tensors).finish(unneeded);
  data.info = body.info("dinov2");
  data.info.embedding.pooling = {Pooling::cls};
  data.info.classes = classes;
  describe_method(data.graph, method, data.info);
  return data;
}

bool reads(const JsonObject& config) {
  const std::string type = model_type(config);
  return type == "dinov2" || type == "dinov2_with_registers";
}

}  // namespace

const Family kDinov2 = {.model_types = "dinov2, dinov2_with_registers", .reads = reads, .read = read};

}  // namespace octavo
