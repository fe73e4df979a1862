// BERT: post-LayerNorm encoder with its heads. Reads like modeling_bert.py.
#include "graph/text_task.h"
#include "models/families.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/text/bert_body.h"
#include "models/text/bert_heads.h"

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
    add_bert_heads(
        g, all, modules_,
        {.architecture = config_.architecture, .activation = config_.activation, .vocab_size = config_.vocab_size});
    classes_ = all.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
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

const Family kBert = {
    .model_types = "bert",
    .reads = [](const JsonObject& config) { return model_type(config) == "bert" && !has_alibi(config); },
    .read = read,
    .layers_key = "num_hidden_layers"};

}  // namespace octavo
