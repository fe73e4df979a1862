#include "models/vision/vision_tower.h"

#include "models/directory/image_config.h"
#include "models/parts/config_keys.h"

#include <optional>
#include <utility>

namespace octavo {

JsonObject tower_config(const JsonObject& config) {
  if (model_type(config).ends_with("_vision_model")) return config;
  const JsonObject tower = config.section("vision_config");
  // CLIP's early files have this as well, which transformers takes in its place.
  return config.has("vision_config_dict") ? config.section("vision_config_dict") : tower;
}

VitNames tower_names() {
  return {.patches = "embeddings.patch_embedding",
          .class_token = "embeddings.class_embedding",
          .positions = "embeddings.position_embedding.weight",
          .norm_pre = "pre_layrnorm",
          .layer = "encoder.layers.",
          .norm1 = "layer_norm1",
          .norm2 = "layer_norm2",
          .query = "self_attn.q_proj",
          .key = "self_attn.k_proj",
          .value = "self_attn.v_proj",
          .attention = "self_attn",
          .attention_output = "self_attn.out_proj",
          .hidden = "mlp.fc1",
          .output = "mlp.fc2"};
}

VitConfig read_tower(const Checkpoint& checkpoint, const JsonObject& tower, const CheckpointTensors& tensors,
                     const TowerDefaults& defaults, std::vector<std::string>& warnings) {
  const VitNames names = tower_names();
  const JsonObject& config = checkpoint.config;
  refuse_unsupported_keys(config);
  refuse_unsupported_keys(tower);
  require_softmax(config);
  if (tower.flag_or("is_decoder", false)) tower.fail("is_decoder", "false");
  check_vit_config(tower, tensors, names.patches);
  VitConfig result = read_vit_config(tower, defaults.missing);
  for (const std::string* module : {&names.query, &names.key, &names.value})
    result.needed_in_layers.push_back(*module + ".bias");
  need_layer_biases(names, result);
  need_classifier(config, tensors, {"classifier"}, result);
  result.image =
      read_hugging_face_images(tower, checkpoint.image_processor, {.processor = defaults.processor}, warnings);
  for (const JsonObject* object : {&config, &tower}) {
    warn_of_unread_keys(*object,
                        {"bos_token_id", "eos_token_id", "logit_scale_init_value", "projection_dim", "text_config",
                         "text_config_dict", "tie_word_embeddings"},
                        warnings);
    if (model_type(config) == model_type(tower)) break;  // one and the same
  }
  return result;
}

void add_mean_classifier(GraphBuilder& g, Heads& heads, int left_out) {
  if (!heads.has("classifier")) return;
  heads.classes(g.select_rows("classifier.rows", heads.hidden(), {.selection = Selection::mean, .count = left_out}),
                "classifier");
}

TensorMap finish_tower(CheckpointTensors tensors, std::vector<std::string>& warnings) {
  tensors.warn_of_unused({"text_model.", "text_projection."}, warnings);
  return std::move(tensors).finish(
      {"text_model.", "text_projection.", "logit_scale", "logit_bias", "embeddings.position_ids"});
}

}  // namespace octavo
