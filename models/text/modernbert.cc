// ModernBERT: LayerNorms before, rotary positions, windows of keys in most layers, gated feed-forward networks.
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/parts/rotary.h"
#include "models/parts/transformer.h"

#include "octavo/error.h"

#include <map>
#include <utility>
#include <vector>

namespace octavo {
namespace {

constexpr const char *kFull = "full_attention", *kSliding = "sliding_attention";

struct ModernBertConfig {
  int layers, vocab_size, max_positions, window;
  double epsilon;
  LayerConfig layer;
  std::vector<bool> sliding;  // by layer
  RotaryAngles full_angles, sliding_angles;
  bool norm_biases, tied_words, mean_pooling;
  Activation classifier_activation;
  std::string architecture;
};

/// By layer: whether its attention has a window. layer_types says so, or every which layer has none.
std::vector<bool> sliding_layers(const JsonObject& config, int layers) {
  const int every = config.integer_or("global_attn_every_n_layers", 1, 1000, 3);
  std::vector<bool> result;
  for (int i = 0; i < layers; ++i) result.push_back(i % every != 0);
  if (!config.has("layer_types")) return result;
  const std::vector<std::string> types = config.texts("layer_types");
  if (types.size() != result.size()) config.fail("layer_types", std::to_string(layers) + " of them");
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] != kFull && types[i] != kSliding) config.fail("layer_types", "full_attention and sliding_attention");
    result[i] = types[i] == kSliding;
  }
  return result;
}

/// Of one kind of attention: rope_parameters of transformers 5, or the older key.
RotaryAngles angles_of(const JsonObject& config, const char* kind, const char* older, double otherwise, int head_size) {
  const double theta = config.number_or(older, 1.0, 1e12, otherwise);
  return read_rope_section(config.section("rope_parameters").section(kind), head_size, theta);
}

/// Where a key is missing, as ModernBertConfig of transformers 5 has it.
ModernBertConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int size = config.integer_or("hidden_size", 1, 8192, 768),
            heads = config.integer_or("num_attention_heads", 1, 1024, 12),
            layers = config.integer_or("num_hidden_layers", 1, 1000, 22),
            head_size = read_head_size(config, "num_attention_heads", size, heads);
  const std::string pooling = config.text_or("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean") config.fail("classifier_pooling", "cls or mean");
  if (config.is_object("rope_scaling")) config.fail("rope_scaling", "none");
  return {.layers = layers,
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 50368),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 8192),
          .window = config.integer_or("local_attention", 2, 131072, 128) / 2,
          .epsilon = config.number_or("norm_eps", 0.0, 1.0, 1e-5),
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = head_size,
                    .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 1152),
                    .activation = read_activation(config, "hidden_activation", Activation::gelu),
                    .norm_before = true},
          .sliding = sliding_layers(config, layers),
          .full_angles = angles_of(config, kFull, "global_rope_theta", 160000.0, head_size),
          .sliding_angles = angles_of(config, kSliding, "local_rope_theta", 10000.0, head_size),
          .norm_biases = config.flag_or("norm_bias", false),
          .tied_words = config.flag_or("tie_word_embeddings", true),
          .mean_pooling = pooling == "mean",
          .classifier_activation = read_activation(config, "classifier_activation", Activation::gelu),
          .architecture = architecture(config)};
}

class ModernBert {
 public:
  ModernBert(const ModernBertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        size_(config.layer.hidden_size),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = size_,
                           .epsilon = config.epsilon,
                           .biases = Biases::as_found,
                           .tied_words = config.tied_words,
                           .norm_biases = config.norm_biases}) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = g.embed_tokens(
        "embeddings", size_, {.word = tensors_.take(kWords, {config_.vocab_size, size_}), .position = "", .type = ""});
    x = g.layer_norm("embeddings.norm", x, modules_.norm("embeddings.norm"));
    for (int i = 0; i < config_.layers; ++i) x = layer(g, x, i);
    x = g.layer_norm("final_norm", x, modules_.norm("final_norm"));
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add(heads);
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  static constexpr const char* kWords = "embeddings.tok_embeddings.weight";

  ValueId layer(GraphBuilder& g, ValueId x, int index) {
    const std::string own = "layers." + std::to_string(index) + ".";
    const bool sliding = config_.sliding[static_cast<std::size_t>(index)];
    LayerConfig layer = config_.layer;
    layer.rotary = rotary(sliding ? config_.sliding_angles : config_.full_angles);
    layer.window = sliding ? config_.window : 0;
    return transformer_layer(g, x,
                             {.qkv = own + "attn.Wqkv",
                              .attention = own + "attn",
                              .attention_output = own + "attn.Wo",
                              .attention_norm = index > 0 ? own + "attn_norm" : "",
                              .glu = own + "mlp.Wi",
                              .output = own + "mlp.Wo",
                              .output_norm = own + "mlp_norm"},
                             layer, modules_, method_);
  }

  const RotaryPositions& rotary(const RotaryAngles& angles) {
    const auto found = rotary_.find(angles);
    if (found != rotary_.end()) return found->second;
    return rotary_[angles] = rotary_positions(tensors_, angles, config_.layer.head_size, config_.max_positions);
  }

  /// norm(activation(x W^T + b)), which all heads begin with.
  ValueId head(Heads& heads, ValueId x) {
    return heads.transformed(x, modules_.dense("head.dense", size_, size_), config_.classifier_activation, "head.norm",
                             modules_.norm("head.norm"));
  }

  void add(Heads& heads) {
    if (!heads.has("head.dense")) return;
    if (!heads.has("classifier")) {
      heads.vocabulary({.transform = modules_.dense("head.dense", size_, size_),
                        .activation = config_.classifier_activation,
                        .norm_name = "head.norm",
                        .norm = modules_.norm("head.norm"),
                        .decoder = modules_.decoder("decoder", "decoder.bias", kWords, {config_.vocab_size, size_})});
      return;
    }
    const bool tokens = config_.architecture.ends_with("ForTokenClassification") ||
                        config_.architecture.ends_with("ForQuestionAnswering");
    const Selection pooling = config_.mean_pooling ? Selection::mean : Selection::first;
    heads.classes(head(heads, tokens ? heads.hidden() : heads.pooled("classifier.rows", pooling)), "classifier");
  }

  const ModernBertConfig& config_;
  const int size_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  std::map<RotaryAngles, RotaryPositions> rotary_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const ModernBertConfig config = read_config(checkpoint.config);
  const AttentionMethod method = read_attention_method(checkpoint.config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "model.");
  Model::Data data;
  ModernBert reader(config, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"head.", "classifier.", "decoder."}, data.warnings);
  data.tensors = std::move(tensors).finish({"head.", "classifier.", "decoder."});
  data.info = {.family = "modernbert",
               .layers = config.layers,
               .hidden_size = config.layer.hidden_size,
               .attention_heads = config.layer.heads,
               .intermediate_size = config.layer.intermediate_size,
               .vocab_size = config.vocab_size,
               .max_positions = config.max_positions,
               .softmax = {},
               .classes = reader.classes()};
  describe_method(data.graph, method, data.info);
  // Biases are as the checkpoint has them; the rest concerns training alone.
  warn_of_unread_keys(checkpoint.config,
                      {"attention_bias", "bos_token_id", "classifier_bias", "decoder_bias", "deterministic_flash_attn",
                       "embedding_dropout", "eos_token_id", "initializer_cutoff_factor", "layer_norm_eps", "mlp_bias",
                       "mlp_dropout", "reference_compile", "repad_logits_with_grad", "sparse_pred_ignore_index",
                       "sparse_prediction", "position_embedding_type"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kModernBert = {.model_types = "modernbert",
                            .reads = [](const JsonObject& config) { return model_type(config) == "modernbert"; },
                            .read = read};

}  // namespace octavo
