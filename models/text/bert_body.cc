#include "models/text/bert_body.h"

#include "models/parts/config_keys.h"

#include "octavo/error.h"

namespace octavo {

BertConfig read_bert_config(const JsonObject& config, const BertConfig& missing) {
  refuse_unsupported_keys(config);
  if (config.text_or("position_embedding_type", "absolute") != "absolute") {
    config.fail("position_embedding_type", "absolute");
  }
  if (config.flag_or("is_decoder", false)) config.fail("is_decoder", "false");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, missing.layers),
          .hidden_size = config.integer_or("hidden_size", 1, 8192, missing.hidden_size),
          .heads = config.integer_or("num_attention_heads", 1, 1024, missing.heads),
          .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, missing.intermediate_size),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, missing.vocab_size),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, missing.max_positions),
          .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, missing.type_vocab_size),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, missing.epsilon),
          .activation = read_activation(config, "hidden_act", missing.activation),
          .tied_words = config.flag_or("tie_word_embeddings", true),
          .architecture = architecture(config)};
}

BertBody::BertBody(const BertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors,
                   Modules& modules)
    : config_(config), method_(method), tensors_(tensors), modules_(modules) {}

EmbeddingTables BertBody::tables(int size) {
  const std::string types = "embeddings.token_type_embeddings.weight";
  return {.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size}),
          .position = tensors_.take("embeddings.position_embeddings.weight", {config_.max_positions, size}),
          .type = config_.type_vocab_size > 0 ? tensors_.take(types, {config_.type_vocab_size, size}) : ""};
}

ValueId BertBody::embeddings(GraphBuilder& g, const EmbeddingTables& tables, Modules& of_size) {
  const ValueId sum = g.embed_tokens("embeddings", of_size.hidden_size(),
                                     {.word = tables.word, .position = tables.position, .type = tables.type});
  return g.layer_norm("embeddings.LayerNorm", sum, of_size.norm("embeddings.LayerNorm"));
}

ValueId BertBody::layers(GraphBuilder& g, ValueId x) {
  const LayerConfig config{
      .hidden_size = config_.hidden_size,
      .heads = config_.heads,
      .head_size = head_size_of(tensors_, "encoder.layer.0.attention.self.query.weight", config_.heads, method_),
      .intermediate_size = config_.intermediate_size,
      .activation = config_.activation};
  for (int i = 0; i < config_.layers; ++i) {
    const std::string layer = "encoder.layer." + std::to_string(i) + ".", self = layer + "attention.self";
    x = transformer_layer(g, x,
                          {.query = self + ".query",
                           .key = self + ".key",
                           .value = self + ".value",
                           .attention = self,
                           .attention_output = layer + "attention.output.dense",
                           .attention_norm = layer + "attention.output.LayerNorm",
                           .hidden = layer + "intermediate.dense",
                           .output = layer + "output.dense",
                           .output_norm = layer + "output.LayerNorm"},
                          config, modules_, method_);
  }
  return x;
}

ModelInfo bert_info(const BertConfig& config, const std::string& family) {
  return {.family = family,
          .layers = config.layers,
          .hidden_size = config.hidden_size,
          .attention_heads = config.heads,
          .intermediate_size = config.intermediate_size,
          .vocab_size = config.vocab_size,
          .type_vocab_size = config.type_vocab_size,
          .max_positions = config.max_positions,
          .softmax = {}};
}

}  // namespace octavo
