// GTE: rotary positions and GeGLU.
#include "models/families.h"
#include "models/parts/config_keys.h"
#include "models/text/glu_bert.h"

#include <utility>

namespace octavo {
namespace {

const GluBertNames kGteNames = {.family = "gte",
                                .prefix = "gte.",
                                .norm = "embeddings.LayerNorm",
                                .layers = "encoder.layer.",
                                .head_norm = "layer_norm",
                                .layer = {.qkv = "attention.qkv_proj",
                                          .attention = "attention",
                                          .attention_output = "attention.o_proj",
                                          .attention_norm = "attn_ln",
                                          .glu = "mlp.up_gate_proj",
                                          .output = "mlp.down_proj",
                                          .output_norm = "mlp_ln"}};

/// Where a key is missing, as GteConfig of transformers 5 has it.
GluBertConfig read_gte_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int size = config.integer_or("hidden_size", 1, 8192, 768),
            heads = config.integer_or("num_attention_heads", 1, 1024, 12),
            head_size = read_head_size(config, "num_attention_heads", size, heads);
  if (config.text_or("position_embedding_type", "rope") != "rope") config.fail("position_embedding_type", "rope");
  if (config.text_or("layer_norm_type", "layer_norm") != "layer_norm") config.fail("layer_norm_type", "layer_norm");
  if (!config.flag_or("pack_qkv", true)) config.fail("pack_qkv", "true");
  if (config.flag_or("logn_attention_scale", false)) config.fail("logn_attention_scale", "false");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 250048),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 8192),
          .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, 1),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
          .angles = read_rope(config, head_size, 160000.0, RopeScalings::gte),
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = head_size,
                    .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
                    .activation = read_activation(config, "hidden_act", Activation::gelu),
                    .glu_gate_first = false},
          .head_activation = read_activation(config, "hidden_act", Activation::gelu),
          .tied_words = config.flag_or("tie_word_embeddings", true),
          .architecture = architecture(config)};
}

}  // namespace

const Family kGte = {.model_types = "gte, new",
                     .reads = [](const JsonObject& c) { return model_type(c) == "gte" || model_type(c) == "new"; },
                     .read =
                         [](Checkpoint c) {
                           const GluBertConfig config = read_gte_config(c.config);
                           return read_glu_bert(config, kGteNames, std::move(c));
                         }};

}  // namespace octavo
