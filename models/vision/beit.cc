// BEiT and Data2VecVision: a ViT with layer scale and a bias of scores by the place of patches.
#include "models/directory/image_config.h"
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/vision/vit_body.h"

#include <optional>
#include <utility>

namespace octavo {
namespace {

const VitNames kNames = [] {
  VitNames names = transformers_names();
  names.attention_scale = "lambda_1";
  names.output_scale = "lambda_2";
  return names;
}();
constexpr const char *kBias = "relative_position_bias.", *kTable = "relative_position_bias_table",
                     *kPooler = "pooler_output";

/// Where a key is missing, as BeitConfig of transformers 5 has it.
VitConfig read_config(const JsonObject& config, const std::optional<JsonObject>& processor,
                      const CheckpointTensors& tensors, std::vector<std::string>& warnings) {
  refuse_unsupported_keys(config);
  check_vit_config(config, tensors, kNames.patches);
  require_softmax(config);
  VitConfig result = read_vit_config(
      config, {.layers = 12, .layer = {.hidden_size = 768, .heads = 12, .intermediate_size = 3072}, .epsilon = 1e-12});
  if (!config.flag_or("use_absolute_position_embeddings", false)) result.positions = VitPositions::absent;
  result.needed = {kNames.patches + ".bias", kNames.class_token};
  result.needed_in_layers = {kNames.query + ".bias", kNames.value + ".bias"};
  if (config.number_or("layer_scale_init_value", -1e3, 1e3, 0.1) > 0)
    result.needed_in_layers.insert(result.needed_in_layers.end(), {kNames.attention_scale, kNames.output_scale});
  need_layer_biases(kNames, result);
  need_classifier(config, tensors, {"classifier"}, result);
  result.image = read_hugging_face_images(config, processor, {.processor = "BeitImageProcessor"}, warnings);
  return result;
}

class Beit {
 public:
  Beit(const JsonObject& config, const VitConfig& vit, VitBody& body, CheckpointTensors& tensors)
      : config_(config), vit_(vit), body_(body), tensors_(tensors) {}

  Graph graph() {
    GraphBuilder g;
    Modules& modules = body_.modules();
    ValueId x = body_.embeddings(g);
    x = body_.layers(g, x, biases());
    const bool mean_pooling = config_.flag_or("use_mean_pooling", true);
    if (!mean_pooling) x = g.layer_norm("layernorm", x, modules.norm("layernorm"));
    g.output(kHiddenState, x);
    Heads heads(g, x, modules);
    if (!mean_pooling || body_.has("pooler.layernorm")) {
      const ValueId pooled = pool(g, x, mean_pooling);
      g.output(kPooler, pooled);
      if (heads.has("classifier")) heads.classes(pooled, "classifier");
    }
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  ValueId pool(GraphBuilder& g, ValueId hidden, bool mean_pooling) {
    if (!mean_pooling) return g.select_rows(kPooler, hidden, {.selection = Selection::first, .count = 1});
    const std::string name = "pooler.layernorm";
    const ValueId mean = g.select_rows("pooler.rows", hidden, {.selection = Selection::mean, .count = 1});
    return g.layer_norm(name, mean, body_.modules().norm(name));
  }

  /// Each layer's, or the one of all layers; none where the config says so.
  std::vector<ScoreBias> biases() {
    std::vector<ScoreBias> result;
    if (config_.flag_or("use_relative_position_bias", false)) {
      if (config_.flag_or("use_shared_relative_position_bias", false))
        config_.fail("use_shared_relative_position_bias", "false beside use_relative_position_bias");
      for (int i = 0; i < vit_.layers; ++i)
        result.push_back(bias(kNames.layer + std::to_string(i) + "." + kNames.attention + "." + kBias));
    } else if (config_.flag_or("use_shared_relative_position_bias", false)) {
      result.assign(static_cast<std::size_t>(vit_.layers), bias("encoder." + std::string(kBias)));
    }
    return result;
  }

  /// The checkpoint's table is [places, heads], and counts from the key to the query.
  ScoreBias bias(const std::string& module) {
    ScoreBias result{.table = "", .grid_width = body_.grid_width(), .grid_height = body_.grid_height()};
    const int heads = vit_.layer.heads, entries = result.entries(), pairs = entries - 3;
    const Tensor table = tensors_.floats(tensors_.take(module + kTable, {entries, heads}));
    Tensor by_head(DType::f32, {heads, entries});
    for (int head = 0; head < heads; ++head) {
      for (int i = 0; i < entries; ++i) {
        const int row = i < pairs ? pairs - 1 - i : i;
        by_head.writable<float>()[static_cast<std::size_t>(head * entries + i)] =
            table.row<float>(row)[static_cast<std::size_t>(head)];
      }
    }
    result.table = tensors_.replace({module + kTable}, module + "by_head", std::move(by_head));
    return result;
  }

  const JsonObject& config_;
  const VitConfig& vit_;
  VitBody& body_;
  CheckpointTensors& tensors_;
  int classes_ = 0;
};

/// Tensors that are not run: of training, and indices into the tables, which older files hold.
TensorMap finish(CheckpointTensors tensors, int layers) {
  std::vector<std::string> names = {"embeddings.mask_token", "encoder." + std::string(kBias)};
  for (int i = 0; i < layers; ++i)
    names.push_back(kNames.layer + std::to_string(i) + "." + kNames.attention + "." + kBias +
                    "relative_position_index");
  return std::move(tensors).finish({names.begin(), names.end()});
}

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), model_type(config) == "beit" ? "beit." : "data2vec_vision.");
  Model::Data data;
  const VitConfig vit = read_config(config, checkpoint.image_processor, tensors, data.warnings);
  VitBody body(vit, kNames, method, tensors);
  Beit reader(config, vit, body, tensors);
  data.graph = reader.graph();
  data.tensors = finish(std::move(tensors), vit.layers);
  data.info = body.info("beit");
  data.info.embedding = {.pooling = {Pooling::mean}, .output = data.graph.find_output(kPooler) ? kPooler : ""};
  data.info.classes = reader.classes();
  describe_method(data.graph, method, data.info);
  warn_of_unread_keys(
      config,
      {"add_fpn", "auxiliary_channels", "auxiliary_concat_input", "auxiliary_loss_weight", "auxiliary_num_convs",
       "drop_path_rate", "out_features", "out_indices", "pool_scales", "reshape_hidden_states",
       "semantic_loss_ignore_index", "stage_names", "use_auxiliary_head", "use_mask_token", "vocab_size"},
      data.warnings);
  return data;
}

bool reads(const JsonObject& config) {
  const std::string type = model_type(config);
  return type == "beit" || type == "data2vec-vision";
}

}  // namespace

const Family kBeit = {.model_types = "beit, data2vec-vision", .reads = reads, .read = read};

}  // namespace octavo
