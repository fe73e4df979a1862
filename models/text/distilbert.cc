// DistilBERT: BERT's layer without token types and without a pooler, under names of its own.
#include "models/families.h"
#include "models/parts/attention_method.h"
#include "models/parts/checkpoint.h"
#include "models/parts/config_keys.h"
#include "models/parts/heads.h"
#include "models/parts/transformer.h"

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr double kEpsilon = 1e-12;  // of every LayerNorm: modeling_distilbert.py writes it down

struct DistilBertConfig {
  int layers, vocab_size, max_positions;
  LayerConfig layer;
  bool tied_words;
};

/// Where a key is missing, as DistilBertConfig of transformers 5 has it.
DistilBertConfig read_config(const JsonObject& config) {
  refuse_unsupported_keys(config);
  const int size = config.integer_or("dim", 1, 8192, 768), heads = config.integer_or("n_heads", 1, 1024, 12);
  return {.layers = config.integer_or("n_layers", 1, 1000, 6),
          .vocab_size = config.integer_or("vocab_size", 1, 1 << 24, 30522),
          .max_positions = config.integer_or("max_position_embeddings", 1, 65536, 512),
          .layer = {.hidden_size = size,
                    .heads = heads,
                    .head_size = read_head_size(config, "n_heads", size, heads),
                    .intermediate_size = config.integer_or("hidden_dim", 1, kMaxColumns, 3072),
                    .activation = read_activation(config, "activation", Activation::gelu)},
          .tied_words = config.flag_or("tie_word_embeddings", true)};
}

class DistilBert {
 public:
  DistilBert(const DistilBertConfig& config, const AttentionMethod& method, CheckpointTensors& tensors)
      : config_(config),
        size_(config.layer.hidden_size),
        method_(method),
        tensors_(tensors),
        modules_(tensors, {.hidden_size = size_, .epsilon = kEpsilon, .tied_words = config.tied_words}) {}

  Graph graph() {
    GraphBuilder g;
    ValueId x = g.embed_tokens(
        "embeddings", size_,
        {.word = tensors_.take("embeddings.word_embeddings.weight", {config_.vocab_size, size_}),
         .position = tensors_.take("embeddings.position_embeddings.weight", {config_.max_positions, size_}),
         .type = ""});
    x = g.layer_norm("embeddings.LayerNorm", x, modules_.norm("embeddings.LayerNorm"));
    for (int i = 0; i < config_.layers; ++i) x = layer(g, x, "transformer.layer." + std::to_string(i) + ".");
    g.output(kHiddenState, x);
    Heads all(g, x, modules_);
    add(all);
    classes_ = all.count();
    return g.finish();
  }

  int classes() const { return classes_; }

 private:
  ValueId layer(GraphBuilder& g, ValueId x, const std::string& layer) {
    const LayerNames names{.query = layer + "attention.q_lin",
                           .key = layer + "attention.k_lin",
                           .value = layer + "attention.v_lin",
                           .attention = layer + "attention",
                           .attention_output = layer + "attention.out_lin",
                           .attention_norm = layer + "sa_layer_norm",
                           .hidden = layer + "ffn.lin1",
                           .output = layer + "ffn.lin2",
                           .output_norm = layer + "output_layer_norm"};
    return transformer_layer(g, x, names, config_.layer, modules_, method_);
  }

  void add(Heads& heads) {
    if (heads.has("pre_classifier"))
      heads.classes(heads.first_token("pre_classifier", Activation::relu), "classifier");
    else if (heads.has("classifier"))
      heads.classes(heads.hidden(), "classifier");
    if (heads.has("qa_outputs")) heads.classes(heads.hidden(), "qa_outputs");
    if (heads.has("vocab_transform")) heads.vocabulary(vocabulary_head());
  }

  VocabularyHead vocabulary_head() {
    return {.transform = modules_.dense("vocab_transform", size_, size_),
            .activation = config_.layer.activation,
            .norm_name = "vocab_layer_norm",
            .norm = modules_.norm("vocab_layer_norm"),
            .decoder = modules_.decoder("vocab_projector", "vocab_projector.bias", "embeddings.word_embeddings.weight",
                                        {config_.vocab_size, size_})};
  }

  const DistilBertConfig& config_;
  const int size_;
  const AttentionMethod& method_;
  CheckpointTensors& tensors_;
  Modules modules_;
  int classes_ = 0;
};

Model::Data read(Checkpoint checkpoint) {
  const DistilBertConfig config = read_config(checkpoint.config);
  const AttentionMethod method = read_attention_method(checkpoint.config, checkpoint.options);
  CheckpointTensors tensors(std::move(checkpoint.tensors), "distilbert.");
  Model::Data data;
  DistilBert reader(config, method, tensors);
  data.graph = reader.graph();
  data.tensors = std::move(tensors).finish({"embeddings.position_ids"});
  data.info = {.family = "distilbert",
               .layers = config.layers,
               .hidden_size = config.layer.hidden_size,
               .attention_heads = config.layer.heads,
               .intermediate_size = config.layer.intermediate_size,
               .vocab_size = config.vocab_size,
               .max_positions = config.max_positions,
               .softmax = {},
               .classes = reader.classes()};
  describe_method(data.graph, method, data.info);
  // The table of positions is stored, whichever way it was made; the other keys are of training.
  warn_of_unread_keys(checkpoint.config, {"sinusoidal_pos_embds", "tie_weights_", "qa_dropout", "seq_classif_dropout"},
                      data.warnings);
  return data;
}

}  // namespace

const Family kDistilBert = {.model_types = "distilbert",
                            .reads = [](const JsonObject& config) { return model_type(config) == "distilbert"; },
                            .read = read,
                            .layers_key = "n_layers"};

}  // namespace octavo
