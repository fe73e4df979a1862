// CLIP's tower of pictures: a LayerNorm before the layers, and one of the class token behind them, whose projection is
// the embedding.
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/vision/vision_tower.h"

#include <utility>

namespace octavo {
namespace {

constexpr const char *kPooler = "pooler_output", *kEmbedding = "image_embeds";

/// Where a key is missing, as CLIPVisionConfig of transformers 5 has it.
const TowerDefaults kDefaults = {.missing = {.layers = 12,
                                             .layer = {.hidden_size = 768,
                                                       .heads = 12,
                                                       .intermediate_size = 3072,
                                                       .activation = Activation::quick_gelu},
                                             .epsilon = 1e-5},
                                 .processor = "CLIPImageProcessor"};

/// Gives the name of the output that is the embedding.
const char* add_embedding(GraphBuilder& g, Heads& heads, Modules& modules) {
  const ValueId first =
      g.select_rows("post_layernorm.rows", heads.hidden(), {.selection = Selection::first, .count = 1});
  const ValueId pooled = g.layer_norm("post_layernorm", first, modules.norm("post_layernorm"));
  g.output(kPooler, pooled);
  if (!heads.has("visual_projection")) return kPooler;
  heads.logits(pooled, modules.classifier("visual_projection"), kEmbedding);
  return kEmbedding;
}

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const JsonObject tower = tower_config(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "vision_model.");
  Model::Data data;
  VitConfig vit = read_tower(checkpoint, tower, tensors, kDefaults, data.warnings);
  vit.needed.insert(vit.needed.end(), {"embeddings.class_embedding", "pre_layrnorm.weight"});
  const std::string name = architecture(config);
  if (name == "CLIPModel" || name == "CLIPVisionModelWithProjection") vit.needed.push_back("visual_projection.weight");
  VitBody body(vit, tower_names(), method, tensors);
  GraphBuilder g;
  const ValueId x = body.layers(g, body.embeddings(g));
  g.output(kHiddenState, x);
  Heads heads(g, x, body.modules());
  const char* embedding = add_embedding(g, heads, body.modules());
  add_mean_classifier(g, heads, body.prefix_rows());
  data.graph = g.finish();
  data.tensors = finish_tower(std::move(tensors), data.warnings);
  data.info = body.info("clip");
  data.info.embedding = {.pooling = {Pooling::cls}, .output = embedding};
  data.info.classes = heads.count();
  describe_method(data.graph, method, data.info);
  return data;
}

bool reads(const JsonObject& config) {
  const std::string type = model_type(config);
  return type == "clip" || type == "clip_vision_model";
}

}  // namespace

const Family kClip = {.model_types = "clip, clip_vision_model", .reads = reads, .read = read};

}  // namespace octavo
