#include "models/text/glu_bert.h"

#include "models/parts/alibi.h"
#include "models/parts/attention_method.h"
#include "models/parts/config_keys.h"
#include "models/text/bert_heads.h"

#include <utility>

namespace octavo {
namespace {

LayerNames with_prefix(const LayerNames& names, const std::string& prefix) {
  LayerNames result = names;
  for (std::string* name :
       {&result.query, &result.key, &result.value, &result.qkv, &result.attention, &result.attention_output,
        &result.attention_norm, &result.glu, &result.glu_gate, &result.glu_up, &result.output, &result.output_norm}) {
    if (!name->empty()) *name = prefix + *name;
  }
  return result;
}

class GluBert {
 public:
  GluBert(const GluBertConfig& config, const GluBertNames& names, const AttentionMethod& method,
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
    if (config_.angles)
      layer.rotary = rotary_positions(tensors_, *config_.angles, layer.head_size, config_.max_positions);
    else
      layer.bias = alibi(tensors_, layer.heads, config_.max_positions);
    for (int i = 0; i < config_.layers; ++i) {
      const LayerNames names = with_prefix(names_.layer, names_.layers + std::to_string(i) + ".");
      x = transformer_layer(g, x, names, layer, modules_, method_);
    }
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add_bert_heads(g, heads, modules_,
                   {.architecture = config_.architecture,
                    .activation = config_.head_activation,
                    .vocab_size = config_.vocab_size,
                    .norm = names_.head_norm});
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
            .activation = config_.head_activation,
            .norm_name = "lm_head.norm",
            .norm = modules_.norm("lm_head.norm"),
            .decoder = modules_.decoder("lm_head.decoder", "lm_head.decoder.bias", "embeddings.word_embeddings.weight",
                                        {config_.vocab_size, size})};
  }

  const GluBertConfig& config_;
  const GluBertNames& names_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int classes_ = 0;
};

}  // namespace

Model::Data read_glu_bert(const GluBertConfig& config, const GluBertNames& names, Checkpoint checkpoint) {
  const AttentionMethod method = read_attention_method(checkpoint.config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), names.prefix);
  Model::Data data;
  GluBert reader(config, names, method, tensors);
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
                       "emb_pooler",
                       "model_max_length",
                       "auto_map",
                       "dense_seq_output"},
                      data.warnings);
  return data;
}

}  // namespace octavo
