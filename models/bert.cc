// BERT: post-LayerNorm encoder with its heads. Reads like modeling_bert.py.
#include "models/attention_method.h"
#include "models/checkpoint.h"
#include "models/config_keys.h"
#include "models/families.h"
#include "models/heads.h"
#include "models/transformer.h"

#include "octavo/error.h"

#include <optional>

namespace octavo {
namespace {

struct BertConfig {
  int layers, hidden_size, heads, intermediate_size, vocab_size, max_positions, type_vocab_size;
  double epsilon;
  Activation activation;
  std::string architecture;  ///< of the class that saved it: "BertForSequenceClassification"; "" when it does not say
};

/// Where a key is missing, as BertConfig of transformers 5 has it.
BertConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  if (config.text_or("position_embedding_type", "absolute") != "absolute") {
    config.fail("position_embedding_type", "absolute");
  }
  if (config.flag_or("is_decoder", false)) config.fail("is_decoder", "false");
  return {.layers = config.integer_or("num_hidden_layers", 1, 1000, 12),
          .hidden_size = config.integer_or("hidden_size", 1, 8192, 768),
          .heads = config.integer_or("num_attention_heads", 1, 1024, 12),
          .intermediate_size = config.integer_or("intermediate_size", 1, kMaxColumns, 3072),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 30522),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 512),
          .type_vocab_size = config.integer_or("type_vocab_size", 0, 1 << 16, 2),
          .epsilon = config.number_or("layer_norm_eps", 0.0, 1.0, 1e-12),
          .activation = read_activation(config, "hidden_act", Activation::gelu),
          .architecture = architecture(config)};
}

/// The tensors of one checkpoint, taken module by module.
class Bert {
 public:
  Bert(const BertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = config.hidden_size, .epsilon = config.epsilon}),
        head_size_(head_size()) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = embeddings(g);
    for (int i = 0; i < config_.layers; ++i) x = layer(g, x, "encoder.layer." + std::to_string(i) + ".");
    g.output(kHiddenState, x);
    heads(g, x);
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// Width of a head: config.json does not carry it, the query's rows do; it need not be hidden_size / heads.
  int head_size() const {
    const std::string name = "encoder.layer.0.attention.self.query.weight";
    const Tensor::Shape& shape = tensors_.shape(name);
    if (shape.size() != 2 || shape[0] <= 0 || shape[0] % config_.heads != 0 || shape[0] / config_.heads > 256 ||
        shape[0] / config_.heads % 4 != 0) {
      throw Error("tensor " + name + " does not divide into num_attention_heads = " + std::to_string(config_.heads) +
                  " heads whose size is a multiple of 4, at most 256");
    }
    return static_cast<int>(shape[0] / config_.heads);
  }

  ValueId embeddings(GraphBuilder& g) {
    const int size = config_.hidden_size;
    const std::string types = "embeddings.token_type_embeddings.weight";
    const ValueId sum = g.embed_tokens(
        "embeddings", size,
        {.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size}),
         .position = tensors_.take("embeddings.position_embeddings.weight", {config_.max_positions, size}),
         .type = config_.type_vocab_size > 0 ? tensors_.take(types, {config_.type_vocab_size, size}) : ""});
    return g.layer_norm("embeddings.LayerNorm", sum, modules_.norm("embeddings.LayerNorm"));
  }

  ValueId layer(GraphBuilder& g, ValueId x, const std::string& layer) {
    const std::string self = layer + "attention.self";
    const LayerNames names{.query = self + ".query",
                           .key = self + ".key",
                           .value = self + ".value",
                           .attention = self,
                           .attention_output = layer + "attention.output.dense",
                           .attention_norm = layer + "attention.output.LayerNorm",
                           .hidden = layer + "intermediate.dense",
                           .output = layer + "output.dense",
                           .output_norm = layer + "output.LayerNorm"};
    const LayerConfig config{.hidden_size = config_.hidden_size,
                             .heads = config_.heads,
                             .head_size = head_size_,
                             .intermediate_size = config_.intermediate_size,
                             .activation = config_.activation};
    return transformer_layer(g, x, names, config, modules_, method_);
  }

  /// Every head whose tensors the checkpoint holds.
  void heads(GraphBuilder& g, ValueId hidden) {
    std::optional<ValueId> pooled;
    if (tensors_.has("pooler.dense.weight")) {
      const int size = config_.hidden_size;
      const ValueId first = first_token(g, hidden, "pooler.rows");
      pooled = head_dense(g, first, modules_.dense("pooler.dense", size, size), Activation::tanh);
      g.output("pooler_output", *pooled);
    }
    const auto pooled_for = [&](const char* head) {
      if (!pooled)
        throw Error("the checkpoint has " + std::string(head) + ", but no pooler.dense.weight that it reads");
      return *pooled;
    };
    if (tensors_.has("classifier.weight"))
      logits(g, reads_tokens(pooled.has_value()) ? hidden : pooled_for("a classifier"), "classifier", kLogits);
    if (tensors_.has("qa_outputs.weight")) logits(g, hidden, "qa_outputs", kLogits);
    const bool masked = tensors_.has("cls.predictions.transform.dense.weight"),
               next = tensors_.has("cls.seq_relationship.weight");
    if (masked) vocabulary_logits(g, hidden, vocabulary_head(), next ? "prediction_logits" : kLogits);
    if (next) {
      logits(g, pooled_for("cls.seq_relationship"), "cls.seq_relationship",
             masked ? "seq_relationship_logits" : kLogits);
    }
  }

  /// Whether `classifier` is of each token: the architecture says so, or that there is nothing else to read.
  bool reads_tokens(bool has_pooler) const {
    return config_.architecture.ends_with("ForTokenClassification") || (config_.architecture.empty() && !has_pooler);
  }

  void logits(GraphBuilder& g, ValueId x, const std::string& name, std::string_view output) {
    LinearBlock weights = modules_.classifier(name);
    if (output == kLogits) classes_ = weights.columns;
    head_logits(g, x, std::move(weights), output);
  }

  /// The decoder's weight is the word table unless the checkpoint holds another; its bias has two names.
  VocabularyHead vocabulary_head() {
    const std::string predictions = "cls.predictions.", transform = predictions + "transform.";
    const std::string decoder = predictions + "decoder.weight",
                      weight = tensors_.has(decoder) ? decoder : "embeddings.word_embeddings.weight";
    VocabularyHead head{.transform = modules_.dense(transform + "dense", config_.hidden_size, config_.hidden_size),
                        .activation = config_.activation,
                        .norm_name = transform + "LayerNorm",
                        .norm = modules_.norm(transform + "LayerNorm"),
                        .decoder = {.name = predictions + "decoder",
                                    .weight = tensors_.take(weight, {config_.vocab_size, config_.hidden_size}),
                                    .bias = tensors_.take_either(predictions + "bias", predictions + "decoder.bias",
                                                                 {config_.vocab_size}),
                                    .columns = config_.vocab_size}};
    if (tensors_.has(predictions + "decoder.bias"))  // a copy of it
      tensors_.take(predictions + "decoder.bias", {config_.vocab_size});
    return head;
  }

  const BertConfig& config_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  const int head_size_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const BertConfig bert = read_config(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "bert.");
  Model::Data data;
  Bert reader(bert, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"pooler.", "cls.", "classifier.", "qa_outputs."}, data.warnings);
  data.tensors =
      std::move(tensors).finish({"pooler.", "embeddings.position_ids", "cls.", "classifier.", "qa_outputs."});
  data.info = {.family = "bert",
               .layers = bert.layers,
               .hidden_size = bert.hidden_size,
               .attention_heads = bert.heads,
               .intermediate_size = bert.intermediate_size,
               .vocab_size = bert.vocab_size,
               .type_vocab_size = bert.type_vocab_size,
               .max_positions = bert.max_positions,
               .softmax = {},
               .classes = reader.classes()};
  describe_method(data.graph, method, data.info);
  // Those before bos_token_id are of checkpoints converted from TensorFlow; BertModel never looked at them.
  warn_of_unread_keys(config,
                      {"directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
                       "pooler_size_per_head", "pooler_type", "bos_token_id", "eos_token_id", "tie_word_embeddings"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kBert = {.model_types = "bert",
                      .reads = [](const JsonObject& config) { return model_type(config) == "bert"; },
                      .read = read};

}  // namespace octavo
