// SigLIP's tower of pictures: no class token, and an embedding that a learned query gathers from all patches.
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/vision/vision_tower.h"

#include "octavo/error.h"

#include <utility>

namespace octavo {
namespace {

constexpr const char* kPooler = "pooler_output";

/// Where a key is missing, as SiglipVisionConfig of transformers 5 has it.
const TowerDefaults kDefaults = {.missing = {.layers = 12,
                                             .layer = {.hidden_size = 768,
                                                       .heads = 12,
                                                       .intermediate_size = 3072,
                                                       .activation = Activation::gelu_new},
                                             .epsilon = 1e-6},
                                 .processor = "SiglipImageProcessor"};

/// The head that gathers: attention of a query that is the same for every picture, and a feed-forward network. All rows
/// are computed and the first is taken, as they are alike.
class PoolingHead {
 public:
  PoolingHead(const LayerConfig& config, Modules& modules, CheckpointTensors& tensors)
      : config_(config), size_(config.hidden_size), modules_(modules), tensors_(tensors) {}

  ValueId add(GraphBuilder& g, ValueId hidden) {
    const std::string attention = "head.attention";
    const ValueId qkv = g.qkv(attention + ".qkv", hidden,
                              {.query = query(),
                               .key = rows_of_input(1, "key"),
                               .value = rows_of_input(2, "value"),
                               .heads = config_.heads,
                               .head_size = config_.head_size,
                               .gate = {},
                               .gate_output = {}});
    ValueId x = g.attention(attention, qkv,
                            {.heads = config_.heads, .head_size = config_.head_size, .softmax = {}, .gate = {}});
    x = g.linear_add(attention + ".out_proj", x, zeros(g, hidden),
                     {modules_.dense(attention + ".out_proj", size_, size_)});
    ValueId y = g.layer_norm("head.layernorm", x, modules_.norm("head.layernorm"));
    const int units = config_.intermediate_size;
    y = g.linear("head.mlp.fc1", y, {modules_.dense("head.mlp.fc1", units, size_), config_.activation});
    x = g.linear_add("head.mlp.fc2", y, x, {modules_.dense("head.mlp.fc2", size_, units)});
    return g.select_rows(kPooler, x, {.selection = Selection::first, .count = 1});
  }

 private:
  /// Key or value: a third of torch's in_proj.
  LinearBlock rows_of_input(int third, const std::string& name) {
    const std::string own = "head.attention." + name;
    return {.name = own,
            .weight = tensors_.take_rows("head.attention.in_proj_weight", {3 * size_, size_}, third * size_, size_,
                                         own + ".weight"),
            .bias = tensors_.take_rows("head.attention.in_proj_bias", {3 * size_}, third * size_, size_, own + ".bias"),
            .columns = size_};
  }

  /// A product of zeros whose bias is the query that the probe makes.
  LinearBlock query() {
    const std::string own = "head.attention.query", probe_name = "head.probe";
    const Tensor probe = tensors_.floats(tensors_.take(probe_name, {1, 1, size_})),
                 weight = tensors_.floats(tensors_.take("head.attention.in_proj_weight", {3 * size_, size_})),
                 bias = tensors_.floats(tensors_.take("head.attention.in_proj_bias", {3 * size_}));
    Tensor query(DType::f32, {size_});
    for (int row = 0; row < size_; ++row) {
      const std::span<const float> own_row = weight.row<float>(row);
      double sum = static_cast<double>(bias.as<float>()[static_cast<std::size_t>(row)]);
      for (std::size_t i = 0; i < own_row.size(); ++i)
        sum += static_cast<double>(own_row[i]) * static_cast<double>(probe.as<float>()[i]);
      query.writable<float>()[static_cast<std::size_t>(row)] = static_cast<float>(sum);
    }
    return {.name = own,
            .weight = tensors_.add(own + ".weight", Tensor(DType::f32, {size_, size_})),
            .bias = tensors_.replace({probe_name}, own + ".bias", std::move(query)),
            .columns = size_};
  }

  /// A stream of zeros: attention's output is added to none.
  ValueId zeros(GraphBuilder& g, ValueId hidden) {
    const std::string own = "head.zeros";
    return g.layer_norm(own, hidden,
                        {.gain = tensors_.add(own + ".weight", Tensor(DType::f32, {size_})),
                         .bias = tensors_.add(own + ".bias", Tensor(DType::f32, {size_})),
                         .epsilon = 1.0});
  }

  const LayerConfig& config_;
  const int size_;
  Modules& modules_;
  CheckpointTensors& tensors_;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const JsonObject tower = tower_config(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "vision_model.");
  Model::Data data;
  const bool pools = tower.flag_or("vision_use_head", true);
  VitConfig vit = read_tower(checkpoint, tower, tensors, kDefaults, data.warnings);
  vit.needed.emplace_back("embeddings.patch_embedding.bias");
  if (pools) {
    for (const char* module : {"attention.out_proj", "mlp.fc1", "mlp.fc2"})
      vit.needed.push_back("head." + std::string(module) + ".bias");
  }
  VitBody body(vit, tower_names(), method, tensors);
  GraphBuilder g;
  ValueId x = body.layers(g, body.embeddings(g));
  x = g.layer_norm("post_layernorm", x, body.modules().norm("post_layernorm"));
  g.output(kHiddenState, x);
  if (pools) g.output(kPooler, PoolingHead(vit.layer, body.modules(), tensors).add(g, x));
  Heads heads(g, x, body.modules());
  add_mean_classifier(g, heads, 0);
  data.graph = g.finish();
  data.tensors = finish_tower(std::move(tensors), data.warnings);
  data.info = body.info("siglip");
  data.info.embedding = {.pooling = {Pooling::mean}, .output = pools ? kPooler : ""};
  data.info.classes = heads.count();
  describe_method(data.graph, method, data.info);
  return data;
}

bool reads(const JsonObject& config) {
  const std::string type = model_type(config);
  return type == "siglip" || type == "siglip_vision_model";
}

}  // namespace

const Family kSiglip = {.model_types = "siglip, siglip_vision_model", .reads = reads, .read = read};

}  // namespace octavo
