// ALBERT: BERT's layer, whose weights many layers share, behind embeddings of another width.
#include "models/families.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/text/bert_body.h"

#include "octavo/error.h"

#include <optional>

namespace octavo {
namespace {

struct AlbertConfig {
  BertConfig bert;
  int embedding_size, groups, layers_of_group, head_size = 0;
};

/// Where a key is missing, as AlbertConfig of transformers 5 has it.
AlbertConfig read_config(const JsonObject& config) {
  AlbertConfig albert{.bert = read_bert_config(config, {.hidden_size = 4096,
                                                        .heads = 64,
                                                        .intermediate_size = 16384,
                                                        .vocab_size = 30000,
                                                        .activation = Activation::gelu_new}),
                      .embedding_size = config.integer_or("embedding_size", 1, 8192, 128),
                      .groups = config.integer_or("num_hidden_groups", 1, 1000, 1),
                      .layers_of_group = config.integer_or("inner_group_num", 1, 1000, 1)};
  albert.head_size = read_head_size(config, "num_attention_heads", albert.bert.hidden_size, albert.bert.heads);
  if (albert.groups > albert.bert.layers) config.fail("num_hidden_groups", "at most num_hidden_layers");
  return albert;
}

class Albert {
 public:
  Albert(const AlbertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = config.bert.hidden_size,
                           .epsilon = config.bert.epsilon,
                           .tied_words = config.bert.tied_words}),
        of_embeddings_(tensors, {.hidden_size = config.embedding_size,
                                 .epsilon = config.bert.epsilon,
                                 .tied_words = config.bert.tied_words}),
        body_(config.bert, method, tensors, modules_) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = BertBody::embeddings(g, body_.tables(config_.embedding_size), of_embeddings_);
    x = project_embeddings(
        g, x, modules_.dense("encoder.embedding_hidden_mapping_in", config_.bert.hidden_size, config_.embedding_size));
    for (int i = 0; i < config_.bert.layers; ++i) {
      // As modeling_albert.py chooses it.
      const int group = static_cast<int>(i / (static_cast<double>(config_.bert.layers) / config_.groups));
      for (int inner = 0; inner < config_.layers_of_group; ++inner) x = layer(g, x, i, group, inner);
    }
    g.output(kHiddenState, x);
    Heads heads(g, x, modules_);
    add(g, heads);
    classes_ = heads.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  /// A layer of its own with the tensors of its group: what calibration finds for each differs.
  ValueId layer(GraphBuilder& g, ValueId x, int index, int group, int inner) {
    const auto end = ".albert_layers." + std::to_string(inner) + ".";
    const std::string own = "encoder.layer." + std::to_string(index) + end;
    tensors_.repeat("encoder.albert_layer_groups." + std::to_string(group) + end, own);
    const LayerNames names{.query = own + "attention.query",
                           .key = own + "attention.key",
                           .value = own + "attention.value",
                           .attention = own + "attention",
                           .attention_output = own + "attention.dense",
                           .attention_norm = own + "attention.LayerNorm",
                           .hidden = own + "ffn",
                           .output = own + "ffn_output",
                           .output_norm = own + "full_layer_layer_norm"};
    const LayerConfig config{.hidden_size = config_.bert.hidden_size,
                             .heads = config_.bert.heads,
                             .head_size = config_.head_size,
                             .intermediate_size = config_.bert.intermediate_size,
                             .activation = config_.bert.activation};
    return transformer_layer(g, x, names, config, modules_, method_);
  }

  /// Every head whose tensors the checkpoint holds.
  void add(GraphBuilder& g, Heads& heads) {
    std::optional<ValueId> pooled;
    if (heads.has("pooler")) {
      pooled = heads.first_token("pooler", Activation::tanh);
      g.output("pooler_output", *pooled);
    }
    const auto pooled_for = [&](const char* head) {
      if (!pooled) throw Error("the checkpoint has " + std::string(head) + ", but no pooler.weight that it reads");
      return *pooled;
    };
    if (heads.has("classifier")) {
      const bool of_tokens = config_.bert.architecture.ends_with("ForTokenClassification") ||
                             (config_.bert.architecture.empty() && !pooled);
      heads.classes(of_tokens ? heads.hidden() : pooled_for("a classifier"), "classifier");
    }
    if (heads.has("qa_outputs")) heads.classes(heads.hidden(), "qa_outputs");
    const bool masked = heads.has("predictions.dense"), order = heads.has("sop_classifier.classifier");
    if (masked) heads.vocabulary(vocabulary_head(), order ? "prediction_logits" : kLogits);
    if (order) heads.classes(pooled_for("sop_classifier"), "sop_classifier.classifier", "sop_logits");
  }

  VocabularyHead vocabulary_head() {
    const int size = config_.embedding_size;
    return {.transform = modules_.dense("predictions.dense", size, config_.bert.hidden_size),
            .activation = config_.bert.activation,
            .norm_name = "predictions.LayerNorm",
            .norm = of_embeddings_.norm("predictions.LayerNorm"),
            .decoder = modules_.decoder("predictions.decoder", "predictions.bias", "embeddings.word_embeddings.weight",
                                        {config_.bert.vocab_size, size})};
  }

  const AlbertConfig& config_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_, of_embeddings_;
  BertBody body_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const JsonObject& config = checkpoint.config;
  const AlbertConfig albert = read_config(config);
  const AttentionMethod method = read_attention_method(config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "albert.");
  Model::Data data;
  Albert reader(albert, method, tensors);
  data.graph = reader.graph();
  data.tensors = std::move(tensors).finish({"embeddings.position_ids"});
  data.info = bert_info(albert.bert, "albert");
  data.info.layers *= albert.layers_of_group;
  data.info.classes = reader.classes();
  describe_method(data.graph, method, data.info);
  // The last four are of the TensorFlow code and read by nobody.
  warn_of_unread_keys(config,
                      {"bos_token_id", "eos_token_id", "classifier_dropout_prob", "down_scale_factor", "gap_size",
                       "net_structure_type", "num_memory_blocks"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kAlbert = {.model_types = "albert",
                        .reads = [](const JsonObject& config) { return model_type(config) == "albert"; },
                        .read = read};

}  // namespace octavo
