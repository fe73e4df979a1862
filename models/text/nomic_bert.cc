// NomicBERT: rotary positions and SwiGLU, under the names that nomic-embed was published with.
#include "models/families.h"
#include "models/parts/config_keys.h"
#include "models/text/glu_bert.h"

#include <utility>

namespace octavo {
namespace {

const GluBertNames kNomicNames = {.family = "nomic_bert",
                                  .prefix = "nomic_bert.",
                                  .norm = "emb_ln",
                                  .layers = "encoder.layers.",
                                  .head_norm = "layer_norm",
                                  .layer = {.qkv = "attn.Wqkv",
                                            .attention = "attn",
                                            .attention_output = "attn.out_proj",
                                            .attention_norm = "norm1",
                                            .glu_gate = "mlp.fc12",
                                            .glu_up = "mlp.fc11",
                                            .output = "mlp.fc2",
                                            .output_norm = "norm2"}};
/// The activation of nomic-embed's own config.json, which names the unit.
Activation read_unit(const JsonObject& config, Activation otherwise) {
  if (!config.has("activation_function")) return read_activation(config, "hidden_act", otherwise);
  if (config.text("activation_function") == "swiglu") return Activation::silu;
  if (config.text("activation_function") == "geglu") return Activation::gelu;
  config.fail("activation_function", "swiglu or geglu");
}

/// Keys of transformers 5, or those of the code that the checkpoints were published with (n_embd and its like).
/// Where both are missing, NomicBertConfig's values.
GluBertConfig read_nomic_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const auto integer = [&](const char* key, const char* published, int largest, int otherwise) {
    return config.integer_or(key, 1, largest, config.integer_or(published, 1, largest, otherwise));
  };
  const int size = integer("hidden_size", "n_embd", 8192, 768),
            heads = integer("num_attention_heads", "n_head", 1024, 12);
  const int head_size = read_head_size(config, "num_attention_heads", size, heads);
  if (config.integer_or("head_dim", 1, 256, head_size) != head_size)
    config.fail("head_dim", "hidden_size / num_attention_heads = " + std::to_string(head_size));
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
      .angles = read_rope(config, head_size, config.number_or("rotary_emb_base", 1.0, 1e12, 1000.0)),
      .layer = {.hidden_size = size,
                .heads = heads,
                .head_size = head_size,
                .intermediate_size = integer("intermediate_size", "n_inner", kMaxColumns, 3072),
                .activation = read_unit(config, Activation::silu)},
      .head_activation = read_unit(config, Activation::silu),
      .tied_words = config.flag_or("tie_word_embeddings", true),
      .architecture = architecture(config)};
}

}  // namespace

const Family kNomicBert = {.model_types = "nomic_bert",
                           .reads = [](const JsonObject& config) { return model_type(config) == "nomic_bert"; },
                           .read =
                               [](Checkpoint c) {
                                 const GluBertConfig config = read_nomic_config(c.config);
                                 return read_glu_bert(config, kNomicNames, std::move(c));
                               }};

}  // namespace octavo
