// NomicBERT and GTE: BERT's layer with rotary positions and gated feed-forward networks, under names of their own.
#include "models/attention_method.h"
#include "models/bert_heads.h"
#include "models/checkpoint.h"
#include "models/config_keys.h"
#include "models/families.h"
#include "models/rotary.h"
#include "models/transformer.h"

#include "octavo/error.h"

#include <utility>

namespace octavo {
namespace {

struct RotaryBertConfig {
  int layers, vocab_size, max_positions, type_vocab_size;
  double epsilon, theta;
  LayerConfig layer;
  bool tied_words;
  std::string architecture;
};

/// The modules of a family; a layer's names follow its prefix.
struct RotaryBertNames {
  std::string family, prefix;
  std::string norm;    ///< of the embeddings
  std::string layers;  ///< layer i is `layers`i.
  LayerNames layer;
};

const RotaryBertNames kNomicNames = {.family = "nomic_bert",
                                     .prefix = "nomic_bert.",
                                     .norm = "emb_ln",
                                     .layers = "encoder.layers.",
                                     .layer = {.qkv = "attn.Wqkv",
                                               .attention = "attn",
                                               .attention_output = "attn.out_proj",
                                               .attention_norm = "norm1",
                                               .glu_gate = "mlp.fc12",
                                               .glu_up = "mlp.fc11",
                                               .output = "mlp.fc2",
                                               .output_norm = "norm2"}};
const RotaryBertNames kGteNames = {.family = "gte",
                                   .prefix = "gte.",
                                   .norm = "embeddings.LayerNorm",
                                   .layers = "encoder.layer.",
                                   .layer = {.qkv = "attention.qkv_proj",
                                             .attention = "attention",
                                             .attention_output = "attention.o_proj",
                                             .attention_norm = "attn_ln",
                                             .glu = "mlp.up_gate_proj",
                                             .output = "mlp.down_proj",
                                             .output_norm = "mlp_ln"}};

/// The activation of nomic-embed's own config.json, which names the unit.
Activation read_unit(const JsonObject& config, Activation otherwise) {
  if (!config.has("activation_function")) return read_activation(config, "hidden_act", otherwise);
  if (config.text("activation_function") == "swiglu") return Activation::silu;
  if (config.text("activation_function") == "geglu") return Activation::gelu;
  config.fail("activation_function", "swiglu or geglu");
}

/// Keys of transformers 5, or those of the code that the checkpoints were published with (n_embd and its like).
/// Where both are missing, NomicBertConfig's values.
RotaryBertConfig read_nomic_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const auto integer = [&](const char* key, const char* published, int largest, int otherwise) {
    return config.integer_or(key, 1, largest, config.integer_or(published, 1, largest, otherwise));
  };
  const int size = integer("hidden_size", "n_embd", 8192, 768),
            heads = integer("num_attention_heads", "n_head", 1024, 12);
  if (size % (4 * heads) != 0 || size / heads > 256 ||
      config.integer_or("head_dim", 1, 256, size / heads) != size / heads)
    config.fail("num_attention_heads", "a number of heads whose size is a multiple of 4, at most 256");
  if (config.number_or("rotary_emb_fraction", 0.0, 1.0, 1.0) != 1.0) config.fail("rotary_emb_fraction", "1");
  for (const char* key : {"rotary_emb_interleaved", "prenorm", "parallel_block", "use_rms_norm", "causal"}) {
    if (config.flag_or(key, false)) config.fail(key, "false");
  }
  if (config.has("rotary_scaling_factor")) config.fail("rotary_scaling_factor", "none");
  return {
      .layers = integer("num_hidden_layers", "n_layer", 1000, 12),
      .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 30528),
      .max_positions = integer("max_position_embeddings", "n_positions", 65536, 2048),
      .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, 2),
      .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, config.number_or("layer_norm_epsilon", 0.0, 1.0, 1e-12)),
      .theta = read_rope_theta(config, config.number_or("rotary_emb_base", 1.0, 1e12, 1000.0)),
      .layer = {.hidden_size = size,
                .heads = heads,
                .head_size = size / heads,
                .intermediate_size = integer("intermediate_size", "n_inner", kMaxColumns, 3072),
                .activation = read_unit(config, Activation::silu)},
      .tied_words = config.flag_or("tie_word_embeddings", true),
      .architecture = architecture(config)};
}

/// Where a key is missing, as GteConfig of transformers 5 has it.
RotaryBertConfig read_gte_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int size = config.integer_or("hidden_size", 1, 8192, 768),
            heads = config.integer_or("num_attention_heads", 1, 1024, 12);
  if (size % (4 * heads) != 0 || size / heads > 256)
    config.fail("num_attention_heads", "a number of heads whose size is a multiple of 4, at most 256");
  if (config.text_or("position_embedding_type", "rope") != "rope") config.fail("position_embedding_type", "rope");
  if (config.text_or("layer_norm_type", "layer_norm") != "layer_norm") config.fail("layer_norm_type", "layer_norm");
  if (!config.flag_or("pack_qkv", true)) config.fail("pack_qkv", "true");
  if (config.flag_or("logn_attention_scale", false)) config.fail("logn_attention_scale", "false");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 250048),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 8192),
          .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, 1),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
          .theta = read_rope_theta(config, 160000.0),
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = size / heads,
                    .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
                    .activation = read_activation(config, "hidden_act", Activation::gelu),
                    .glu_gate_first = false},
          .tied_words = config.flag_or("tie_word_embeddings", true),
          .architecture = architecture(config)};
}

LayerNames with_prefix(const LayerNames& names, const std::string& prefix) {
  LayerNames result = names;
  for (std::string* name : {&result.qkv, &result.attention, &result.attention_output, &result.attention_norm,
                            &result.glu, &result.glu_gate, &result.glu_up, &result.output, &result.output_norm}) {
    if (!name->empty()) *name = prefix + *name;
  }
  return result;
}

class RotaryBert {
 public:
  RotaryBert(const RotaryBertConfig& config, const RotaryBertNames& names, const AttentionMethod& method,
             CheckpointTensors& tensors)
      : config_(config),
        names_(names),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = config.layer.hidden_size,
                           .epsilon = config.epsilon,
                           .biases = Biases::as_found,
                           .tied_words = config.tied_words}) {}

  Graph graph() {
    GraphBuilder g;
    const int size = config_.layer.hidden_size;
    const std::string types = "embeddings.token_type_embeddings.weight";
    ValueId x = g.embed_tokens(
        "embeddings", size,
        {.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size}),
         .position = "",
         .type = config_.type_vocab_size > 0 ? tensors_.take(types, {config_.type_vocab_size, size}) : ""});
    x = g.layer_norm(names_.norm, x, modules_.norm(names_.norm));
    LayerConfig layer = config_.layer;
    layer.rotary = rotary_positions(tensors_, config_.theta, layer.head_size, config_.max_positions);
    for (int i = 0; i < config_.layers; ++i) {
      const LayerNames names = with_prefix(names_.layer, names_.layers + std::to_string(i) + ".");
      x = transformer_layer(g, x, names, layer, modules_, method_);
    }
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add_bert_heads(g, heads, modules_,
                   {.architecture = config_.architecture,
                    .activation = layer.activation,
                    .vocab_size = config_.vocab_size,
                    .norm = "layer_norm"});
    if (heads.has("lm_head.dense")) heads.vocabulary(vocabulary_head());
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// GTE's, under RoBERTa's names.
  VocabularyHead vocabulary_head() {
    const int size = config_.layer.hidden_size;
    return {.transform = modules_.dense("lm_head.dense", size, size),
            .activation = config_.layer.activation,
            .norm_name = "lm_head.norm",
            .norm = modules_.norm("lm_head.norm"),
            .decoder = modules_.decoder("lm_head.decoder", "lm_head.decoder.bias", "embeddings.word_embeddings.weight",
                                        {config_.vocab_size, size})};
  }

  const RotaryBertConfig& config_;
  const RotaryBertNames& names_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int classes_ = 0;
};

Model::Data read_with(const RotaryBertConfig& config, const RotaryBertNames& names, Checkpoint checkpoint) {
  const AttentionMethod method = read_attention_method(checkpoint.config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), names.prefix);
  Model::Data data;
  RotaryBert reader(config, names, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"pooler.", "cls.", "classifier.", "lm_head."}, data.warnings);
  data.tensors = std::move(tensors).finish({"pooler.", "cls.", "classifier.", "lm_head.", "embeddings.position_ids"});
  data.info = {.family = names.family,
               .layers = config.layers,
               .hidden_size = config.layer.hidden_size,
               .attention_heads = config.layer.heads,
               .intermediate_size = config.layer.intermediate_size,
               .vocab_size = config.vocab_size,
               .type_vocab_size = config.type_vocab_size,
               .max_positions = config.max_positions,
               .softmax = {},
               .classes = reader.classes()};
  describe_method(data.graph, method, data.info);
  // Biases are as the checkpoint has them; the rest concerns training and PyTorch alone.
  warn_of_unread_keys(checkpoint.config,
                      {"attn_pdrop",
                       "bos_token_id",
                       "embd_pdrop",
                       "eos_token_id",
                       "fused_bias_fc",
                       "fused_dropout_add_ln",
                       "mlp_fc1_bias",
                       "mlp_fc2_bias",
                       "pad_vocab_size_multiple",
                       "qkv_proj_bias",
                       "reorder_and_upcast_attn",
                       "resid_pdrop",
                       "residual_in_fp32",
                       "scale_attn_by_inverse_layer_idx",
                       "scale_attn_weights",
                       "summary_activation",
                       "summary_first_dropout",
                       "summary_proj_to_labels",
                       "summary_type",
                       "summary_use_proj",
                       "unpad_inputs",
                       "use_flash_attn",
                       "use_memory_efficient_attention",
                       "use_xentropy",
                       "last_layer_subset",
                       "dense_seq_output"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kNomicBert = {.model_types = "nomic_bert",
                           .reads = [](const JsonObject& config) { return model_type(config) == "nomic_bert"; },
                           .read =
                               [](Checkpoint c) {
                                 const RotaryBertConfig config = read_nomic_config(c.config);
                                 return read_with(config, kNomicNames, std::move(c));
                               }};

const Family kGte = {.model_types = "gte, new",
                     .reads = [](const JsonObject& c) { return model_type(c) == "gte" || model_type(c) == "new"; },
                     .read =
                         [](Checkpoint c) {
                           const RotaryBertConfig config = read_gte_config(c.config);
                           return read_with(config, kGteNames, std::move(c));
                         }};

}  // namespace octavo
