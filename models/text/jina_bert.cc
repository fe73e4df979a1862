// JinaBERT v2: ALiBi and GeGLU, in checkpoints that call themselves BERT's.
#include "models/families.h"
#include "models/parts/config_keys.h"
#include "models/text/glu_bert.h"

#include <utility>

namespace octavo {
namespace {

const GluBertNames kJinaNames = {.family = "jina_bert",
                                 .prefix = "bert.",
                                 .norm = "embeddings.LayerNorm",
                                 .layers = "encoder.layer.",
                                 .head_norm = "LayerNorm",
                                 .layer = {.query = "attention.self.query",
                                           .key = "attention.self.key",
                                           .value = "attention.self.value",
                                           .attention = "attention.self",
                                           .attention_output = "attention.output.dense",
                                           .attention_norm = "attention.output.LayerNorm",
                                           .glu = "mlp.gated_layers",
                                           .output = "mlp.wo",
                                           .output_norm = "mlp.layernorm"}};

/// Where a key is missing, as JinaBertConfig has it.
GluBertConfig read_jina_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int size = config.integer_or("hidden_size", 1, 8192, 768),
            heads = config.integer_or("num_attention_heads", 1, 1024, 12);
  const std::string unit = config.text_or("feed_forward_type", "original");
  if (unit != "geglu" && unit != "reglu") config.fail("feed_forward_type", "geglu or reglu");
  if (config.flag_or("is_decoder", false)) config.fail("is_decoder", "false");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 30522),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 512),
          .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, 2),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
          .angles = {},
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = read_head_size(config, "num_attention_heads", size, heads),
                    .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
                    .activation = unit == "geglu" ? Activation::gelu : Activation::relu},
          .head_activation = read_activation(config, "hidden_act", Activation::gelu),
          .tied_words = config.flag_or("tie_word_embeddings", true),
          .architecture = architecture(config)};
}

}  // namespace

const Family kJinaBert = {.model_types = "bert with position_embedding_type alibi",
                          .reads = [](const JsonObject& c) { return model_type(c) == "bert" && has_alibi(c); },
                          .read =
                              [](Checkpoint c) {
                                const GluBertConfig config = read_jina_config(c.config);
                                return read_glu_bert(config, kJinaNames, std::move(c));
                              }};

}  // namespace octavo
