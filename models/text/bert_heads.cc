#include "models/text/bert_heads.h"

#include "graph/text_task.h"

#include "octavo/error.h"

#include <optional>

namespace octavo {
namespace {

/// Whether `classifier` is of each token: the architecture says so, or that there is nothing else to read.
bool reads_tokens(const std::string& architecture, bool has_pooler) {
  return architecture.ends_with("ForTokenClassification") || (architecture.empty() && !has_pooler);
}

VocabularyHead vocabulary_head(Modules& modules, const BertHeads& settings) {
  const std::string predictions = "cls.predictions.", transform = predictions + "transform.";
  const int size = modules.hidden_size();
  return {.transform = modules.dense(transform + "dense", size, size),
          .activation = settings.activation,
          .norm_name = transform + settings.norm,
          .norm = modules.norm(transform + settings.norm),
          .decoder = modules.decoder(predictions + "decoder", predictions + "bias", "embeddings.word_embeddings.weight",
                                     {settings.vocab_size, size})};
}

}  // namespace

void add_bert_heads(GraphBuilder& g, Heads& heads, Modules& modules, const BertHeads& settings) {
  std::optional<ValueId> pooled;
  if (heads.has("pooler.dense")) {
    pooled = heads.first_token("pooler.dense", Activation::tanh);
    g.output("pooler_output", *pooled);
  }
  const auto pooled_for = [&](const char* head) {
    if (!pooled) throw Error("the checkpoint has " + std::string(head) + ", but no pooler.dense.weight that it reads");
    return *pooled;
  };
  if (heads.has("classifier")) {
    const bool tokens = reads_tokens(settings.architecture, pooled.has_value());
    heads.classes(tokens ? heads.hidden() : pooled_for("a classifier"), "classifier");
  }
  if (heads.has("qa_outputs")) heads.classes(heads.hidden(), "qa_outputs");
  const bool masked = heads.has("cls.predictions.transform.dense"), next = heads.has("cls.seq_relationship");
  if (masked) heads.vocabulary(vocabulary_head(modules, settings), next ? kPredictionLogits : kLogits);
  if (next) {
    heads.classes(pooled_for("cls.seq_relationship"), "cls.seq_relationship",
                  masked ? "seq_relationship_logits" : kLogits);
  }
}

}  // namespace octavo
