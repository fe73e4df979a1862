// ELECTRA: BERT's layers, embeddings of another width, and the heads of a discriminator and of a generator.
#include "models/families.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/text/bert_body.h"

namespace octavo {
namespace {

class Electra {
 public:
  Electra(const BertConfig& config, int embedding_size, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        embedding_size_(embedding_size),
        modules_(tensors,
                 {.hidden_size = config.hidden_size, .epsilon = config.epsilon, .tied_words = config.tied_words}),
        of_embeddings_(tensors,
                       {.hidden_size = embedding_size, .epsilon = config.epsilon, .tied_words = config.tied_words}),
        body_(config, method, tensors, modules_) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = BertBody::embeddings(g, body_.tables(embedding_size_), of_embeddings_);
    if (embedding_size_ != config_.hidden_size)
      x = project_embeddings(g, x, modules_.dense("embeddings_project", config_.hidden_size, embedding_size_));
    x = body_.layers(g, x);
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add(heads);
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// Every head whose tensors the checkpoint holds.
  void add(Heads& heads) {
    const int size = config_.hidden_size;
    const std::string summary = "sequence_summary.summary";  // of choices
    if (heads.has("classifier.dense"))
      heads.classes(heads.first_token("classifier.dense", Activation::gelu), "classifier.out_proj");
    else if (heads.has("classifier"))
      heads.classes(heads.has(summary) ? heads.first_token(summary, Activation::gelu) : heads.hidden(), "classifier");
    if (heads.has("qa_outputs")) heads.classes(heads.hidden(), "qa_outputs");
    const std::string discriminator = "discriminator_predictions.";
    if (heads.has(discriminator + "dense")) {
      heads.logits(heads.every_token(discriminator + "dense", config_.activation),
                   modules_.dense(discriminator + "dense_prediction", 1, size));
    }
    const std::string generator = "generator_predictions.";
    if (!heads.has(generator + "dense")) return;
    heads.vocabulary(
        {.transform = modules_.dense(generator + "dense", embedding_size_, size),
         .activation = Activation::gelu,  // whatever hidden_act is
         .norm_name = generator + "LayerNorm",
         .norm = of_embeddings_.norm(generator + "LayerNorm"),
         .decoder = modules_.decoder("generator_lm_head", "generator_lm_head.bias", "embeddings.word_embeddings.weight",
                                     {config_.vocab_size, embedding_size_})});
  }

  const BertConfig& config_;
  const int embedding_size_;
  Modules modules_, of_embeddings_;
  BertBody body_;
  int classes_ = 0;
};

/// What choices are scored by: the first token's row.
void check_summary(const JsonObject& config) {
  if (config.text_or("summary_type", "first") != "first") config.fail("summary_type", "\"first\"");
  if (config.text_or("summary_activation", "gelu") != "gelu") config.fail("summary_activation", "\"gelu\"");
  if (!config.flag_or("summary_use_proj", true)) config.fail("summary_use_proj", "true");
}

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const BertConfig electra = read_bert_config(config, {.hidden_size = 256, .heads = 4, .intermediate_size = 1024});
  const int embedding_size = config.integer_or("embedding_size", 1, 8192, 128);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "electra.");
  Model::Data data;
  check_summary(config);
  Electra reader(electra, embedding_size, method, tensors);
  data.graph = reader.graph();
  data.tensors = std::move(tensors).finish({"embeddings.position_ids"});
  data.info = bert_info(electra, "electra");
  data.info.classes = reader.classes();
  describe_method(data.graph, method, data.info);
  warn_of_unread_keys(config, {"bos_token_id", "eos_token_id", "summary_last_dropout"}, data.warnings);
  return data;
}

}  // namespace

const Family kElectra = {.model_types = "electra",
                         .reads = [](const JsonObject& config) { return model_type(config) == "electra"; },
                         .read = read,
                         .layers_key = "num_hidden_layers"};

}  // namespace octavo
