// BERT: post-LayerNorm encoder with its heads. Reads like modeling_bert.py.
#include "graph/text_task.h"
#include "models/bert_body.h"
#include "models/checkpoint.h"
#include "models/config_keys.h"
#include "models/families.h"
#include "models/heads.h"

#include "octavo/error.h"

#include <optional>

namespace octavo {
namespace {

/// The tensors of one checkpoint, taken module by module.
class Bert {
 public:
  Bert(const BertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        modules_(tensors,
                 {.hidden_size = config.hidden_size, .epsilon = config.epsilon, .tied_words = config.tied_words}),
        body_(config, method, tensors, modules_) {}

  Graph graph() {
    GraphBuilder g;
    const ValueId x = body_.layers(g, BertBody::embeddings(g, body_.tables(config_.hidden_size), modules_));
    g.output(kHiddenState, x);
    Heads all(g, x, modules_);
    add(g, all);
    classes_ = all.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// Every head whose tensors the checkpoint holds.
  void add(GraphBuilder& g, Heads& heads) {
    std::optional<ValueId> pooled;
    if (heads.has("pooler.dense")) {
      pooled = heads.first_token("pooler.dense", Activation::tanh);
      g.output("pooler_output", *pooled);
    }
    const auto pooled_for = [&](const char* head) {
      if (!pooled)
        throw Error("the checkpoint has " + std::string(head) + ", but no pooler.dense.weight that it reads");
      return *pooled;
    };
    if (heads.has("classifier"))
      heads.classes(reads_tokens(pooled.has_value()) ? heads.hidden() : pooled_for("a classifier"), "classifier");
    if (heads.has("qa_outputs")) heads.classes(heads.hidden(), "qa_outputs");
    const bool masked = heads.has("cls.predictions.transform.dense"), next = heads.has("cls.seq_relationship");
    if (masked) heads.vocabulary(vocabulary_head(), next ? kPredictionLogits : kLogits);
    if (next) {
      heads.classes(pooled_for("cls.seq_relationship"), "cls.seq_relationship",
                    masked ? "seq_relationship_logits" : kLogits);
    }
  }

  /// Whether `classifier` is of each token: the architecture says so, or that there is nothing else to read.
  bool reads_tokens(bool has_pooler) const {
    return config_.architecture.ends_with("ForTokenClassification") || (config_.architecture.empty() && !has_pooler);
  }

  VocabularyHead vocabulary_head() {
    const std::string predictions = "cls.predictions.", transform = predictions + "transform.";
    return {
        .transform = modules_.dense(transform + "dense", config_.hidden_size, config_.hidden_size),
        .activation = config_.activation,
        .norm_name = transform + "LayerNorm",
        .norm = modules_.norm(transform + "LayerNorm"),
        .decoder = modules_.decoder(predictions + "decoder", predictions + "bias", "embeddings.word_embeddings.weight",
                                    {config_.vocab_size, config_.hidden_size})};
  }

  const BertConfig& config_;
  Modules modules_;
  BertBody body_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const BertConfig bert = read_bert_config(config, {});  // as BertConfig of transformers 5 has it
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "bert.");
  Model::Data data;
  Bert reader(bert, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"pooler.", "cls.", "classifier.", "qa_outputs."}, data.warnings);
  data.tensors =
      std::move(tensors).finish({"pooler.", "embeddings.position_ids", "cls.", "classifier.", "qa_outputs."});
  data.info = bert_info(bert, "bert");
  data.info.classes = reader.classes();
  describe_method(data.graph, method, data.info);
  // Those before bos_token_id are of checkpoints converted from TensorFlow; BertModel never looked at them.
  warn_of_unread_keys(config,
                      {"directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
                       "pooler_size_per_head", "pooler_type", "bos_token_id", "eos_token_id"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kBert = {.model_types = "bert",
                      .reads = [](const JsonObject& config) { return model_type(config) == "bert"; },
                      .read = read};

}  // namespace octavo
