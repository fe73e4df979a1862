// EuroBERT: RMSNorms before, rotary positions, heads that share keys and values, SwiGLU.
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/parts/rotary.h"
#include "models/parts/transformer.h"

#include "octavo/error.h"

#include <string>
#include <utility>

namespace octavo {
namespace {

/// What a classifier of sequences reads.
enum class ClassifierPooling {
  bos,   ///< the first token
  mean,  ///< the mean of all tokens
  late   ///< all tokens, and the mean is of their logits
};

struct EuroBertConfig {
  int layers, vocab_size, max_positions;
  double epsilon;
  RotaryAngles angles;
  LayerConfig layer;
  bool tied_words;
  ClassifierPooling pooling;
  std::string architecture;
};

/// classifier_pooling, which fine-tuned checkpoints of the code that came with the first ones call clf_pooling.
ClassifierPooling read_pooling(const JsonObject& config) {
  const char* key = config.has("classifier_pooling") ? "classifier_pooling" : "clf_pooling";
  const std::string name = config.text_or(key, "late");
  if (name == "bos") return ClassifierPooling::bos;
  if (name == "mean") return ClassifierPooling::mean;
  if (name == "late") return ClassifierPooling::late;
  config.fail(key, "bos, mean or late");
}

/// Where a key is missing, as EuroBertConfig of transformers 5 has it.
EuroBertConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  if (config.flag_or("is_decoder", false)) config.fail("is_decoder", "false");
  const int size = config.integer_or("hidden_size", 1, 8192, 768),
            heads = config.integer_or("num_attention_heads", 1, 1024, 12),
            key_value_heads = config.integer_or("num_key_value_heads", 1, 1024, heads);
  if (heads % key_value_heads != 0)
    config.fail("num_key_value_heads", "a divisor of num_attention_heads = " + std::to_string(heads));
  const int head_size = config.has("head_dim") ? static_cast<int>(config.integer("head_dim", 4, 256))
                                               : read_head_size(config, "num_attention_heads", size, heads);
  if (head_size % 4 != 0) config.fail("head_dim", "a multiple of 4");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 128256),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 8192),
          .epsilon = config.number_or("rms_norm_eps", 0.0, 1.0, 1e-5),
          .angles = read_rope(config, head_size, 10000.0),
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = head_size,
                    .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
                    .key_value_heads = key_value_heads,
                    .activation = read_activation(config, "hidden_act", Activation::silu),
                    .norm_before = true},
          .tied_words = config.flag_or("tie_word_embeddings", false),
          .pooling = read_pooling(config),
          .architecture = architecture(config)};
}

class EuroBert {
 public:
  EuroBert(const EuroBertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        size_(config.layer.hidden_size),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = size_,
                           .epsilon = config.epsilon,
                           .biases = Biases::as_found,
                           .norm_biases = false,
                           .rms_norms = true}) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = g.embed_tokens("embed_tokens", size_,
                               {.word = tensors_.take(kWords, word_shape()), .position = "", .type = ""});
    LayerConfig layer = config_.layer;
    layer.rotary = rotary_positions(tensors_, config_.angles, layer.head_size, config_.max_positions);
    for (int i = 0; i < config_.layers; ++i) {
      const std::string own = "layers." + std::to_string(i) + ".", self = own + "self_attn";
      x = transformer_layer(g, x,
                            {.query = self + ".q_proj",
                             .key = self + ".k_proj",
                             .value = self + ".v_proj",
                             .attention = self,
                             .attention_output = self + ".o_proj",
                             .attention_norm = own + "input_layernorm",
                             .glu_gate = own + "mlp.gate_proj",
                             .glu_up = own + "mlp.up_proj",
                             .output = own + "mlp.down_proj",
                             .output_norm = own + "post_attention_layernorm"},
                            layer, modules_, method_);
    }
    x = g.layer_norm("norm", x, modules_.norm("norm"));
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    if (heads.has("classifier"))
      heads.classes(classified_rows(g, heads), "classifier");
    else if (heads.has(kHead) || config_.architecture.ends_with("ForMaskedLM"))
      heads.vocabulary(vocabulary());
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  static constexpr const char *kWords = "embed_tokens.weight", *kHead = "lm_head";

  Tensor::Shape word_shape() const { return {config_.vocab_size, size_}; }

  /// Of tokens, or of sequences where there is a dense layer between.
  ValueId classified_rows(GraphBuilder& g, Heads& heads) {
    if (!heads.has("dense")) return heads.hidden();
    const std::string rows = "classifier.rows";
    const auto dense = [&](ValueId x) {
      return heads.dense(x, modules_.dense("dense", size_, size_), Activation::gelu);
    };
    switch (config_.pooling) {
      case ClassifierPooling::bos:
        return dense(heads.pooled(rows, Selection::first));
      case ClassifierPooling::mean:
        return dense(heads.pooled(rows, Selection::mean));
      default:  // the logits of a mean are the mean of logits
        return g.select_rows(rows, dense(heads.hidden()), {.selection = Selection::mean, .count = 0});
    }
  }

  LinearBlock vocabulary() {
    if (!config_.tied_words) return modules_.dense(kHead, config_.vocab_size, size_);
    const std::string bias = std::string(kHead) + ".bias";
    tensors_.leave_aside(std::string(kHead) + ".weight");
    return {.name = kHead,
            .weight = tensors_.take(kWords, word_shape()),
            .bias = tensors_.has(bias) ? tensors_.take(bias, {config_.vocab_size}) : "",
            .columns = config_.vocab_size};
  }

  const EuroBertConfig& config_;
  const int size_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const EuroBertConfig config = read_config(checkpoint.config);
  const AttentionMethod method = read_attention_method(checkpoint.config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "model.");
  Model::Data data;
  EuroBert reader(config, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"lm_head.", "dense.", "classifier."}, data.warnings);
  data.tensors = std::move(tensors).finish({"lm_head.", "dense.", "classifier."});
  data.info = {.family = "eurobert",
               .layers = config.layers,
               .hidden_size = config.layer.hidden_size,
               .attention_heads = config.layer.heads,
               .intermediate_size = config.layer.intermediate_size,
               .vocab_size = config.vocab_size,
               .max_positions = config.max_positions,
               .softmax = {},
               .classes = reader.classes()};
  describe_method(data.graph, method, data.info);
  // Biases are as the checkpoint has them, tokens as the tokenizer's files; the rest concerns training and PyTorch.
  warn_of_unread_keys(checkpoint.config,
                      {"attention_bias", "auto_map", "bos_token", "bos_token_id", "eos_token", "eos_token_id",
                       "hidden_dropout", "mask_token", "mlp_bias", "pad_token", "pretraining_tp"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kEuroBert = {.model_types = "eurobert",
                          .reads = [](const JsonObject& config) { return model_type(config) == "eurobert"; },
                          .read = read};

}  // namespace octavo
