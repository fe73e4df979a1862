// RoBERTa, XLM-RoBERTa and CamemBERT: BERT's layers behind positions that begin after the padding token's, with heads
// of their own.
#include "models/families.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/text/bert_body.h"
#include "models/text/roberta_heads.h"

#include <algorithm>

namespace octavo {
namespace {

constexpr std::string_view kTypes[] = {"roberta", "xlm-roberta", "camembert"};

class Roberta {
 public:
  Roberta(const BertConfig& config, int padding_token, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        padding_token_(padding_token),
        tensors_(tensors),
        modules_(tensors,
                 {.hidden_size = config.hidden_size, .epsilon = config.epsilon, .tied_words = config.tied_words}),
        body_(config, method, tensors, modules_) {}

  Graph graph() {
    GraphBuilder g;
    const ValueId x = body_.layers(g, BertBody::embeddings(g, tables(), modules_));
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add_roberta_heads(g, heads, modules_, {.vocab_size = config_.vocab_size, .architecture = config_.architecture});
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// The only type, where there is one, is added to every token.
  EmbeddingTables tables() {
    const int size = config_.hidden_size, types = config_.type_vocab_size;
    const std::string type = "embeddings.token_type_embeddings.weight";
    return {.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size}),
            .position = take_positions(tensors_, {.rows = config_.max_positions,
                                                  .columns = size,
                                                  .padding_token = padding_token_,
                                                  .type = types == 1 ? type : ""}),
            .type = types > 1 ? tensors_.take(type, {types, size}) : ""};
  }

  const BertConfig& config_;
  const int padding_token_;
  CheckpointTensors& tensors_;
  Modules modules_;
  BertBody body_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const std::string type = model_type(config);
  const BertConfig roberta = read_bert_config(config, {.vocab_size = type == "roberta" ? 50265 : 30522});
  const int padding_token = config.integer_or("pad_token_id", 0, roberta.vocab_size - 1, 1);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "roberta.");
  Model::Data data;
  Roberta reader(roberta, padding_token, method, tensors);
  data.graph = reader.graph();
  tensors.warn_of_unused({"lm_head.", "classifier."}, data.warnings);
  data.tensors = std::move(tensors).finish({"embeddings.position_ids", "lm_head.", "classifier."});
  data.info = bert_info(roberta, type);
  if (roberta.type_vocab_size == 1) data.info.type_vocab_size = 0;  // nothing to choose
  data.info.max_positions = roberta.max_positions - padding_token - 1;
  data.info.padding_token = padding_token;
  data.info.classes = reader.classes();
  describe_method(data.graph, method, data.info);
  warn_of_unread_keys(config, {"bos_token_id", "eos_token_id", "output_past"}, data.warnings);
  return data;
}

}  // namespace

const Family kRoberta = {
    .model_types = "roberta, xlm-roberta, camembert",
    .reads = [](const JsonObject& config) { return std::ranges::find(kTypes, model_type(config)) != std::end(kTypes); },
    .read = read,
    .layers_key = "num_hidden_layers"};

}  // namespace octavo
