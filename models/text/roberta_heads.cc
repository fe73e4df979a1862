#include "models/text/roberta_heads.h"

#include "octavo/error.h"

#include <optional>

namespace octavo {

void add_roberta_heads(GraphBuilder& g, Heads& heads, Modules& modules, const RobertaHeads& settings) {
  const int size = modules.hidden_size();
  std::optional<ValueId> pooled;
  if (heads.has("pooler.dense")) {
    pooled = heads.first_token("pooler.dense", Activation::tanh);
    g.output("pooler_output", *pooled);
  }
  if (heads.has("classifier.dense")) {
    heads.classes(heads.first_token("classifier.dense", Activation::tanh), "classifier.out_proj");
  } else if (heads.has("classifier")) {
    const bool choices = settings.architecture.ends_with("ForMultipleChoice");
    if (choices && !pooled) throw Error("the checkpoint has a classifier of choices, but no pooler.dense.weight");
    heads.classes(choices ? *pooled : heads.hidden(), "classifier");
  }
  if (heads.has("qa_outputs")) heads.classes(heads.hidden(), "qa_outputs");
  if (!heads.has("lm_head.dense")) return;
  heads.vocabulary({.transform = modules.dense("lm_head.dense", size, size),
                    .activation = Activation::gelu,  // whatever hidden_act is
                    .norm_name = "lm_head.layer_norm",
                    .norm = modules.norm("lm_head.layer_norm"),
                    .decoder = modules.decoder("lm_head.decoder", "lm_head.bias", "embeddings.word_embeddings.weight",
                                               {settings.vocab_size, size})});
}

std::string take_positions(CheckpointTensors& tensors, const RobertaPositions& positions) {
  const auto& [rows, columns, padding_token, type] = positions;
  if (rows - padding_token < 2) {
    throw Error("max_position_embeddings is " + std::to_string(rows) + ", expected more than " +
                std::to_string(padding_token + 1) + ": positions begin behind that of the padding token");
  }
  const std::string table = "embeddings.position_embeddings.weight";
  const Tensor all = tensors.floats(tensors.take(table, {rows, columns}));
  const Tensor added =
      type.empty() ? Tensor(DType::f32, {1, columns}) : tensors.floats(tensors.take(type, {1, columns}));
  Tensor used(DType::f32, {rows - padding_token, columns});
  const std::span<float> to = used.writable<float>();
  const std::span<const float> from = all.as<float>().subspan(static_cast<std::size_t>(padding_token * columns));
  for (std::size_t i = 0; i < to.size(); ++i)
    to[i] = from[i] + added.as<float>()[i % static_cast<std::size_t>(columns)];
  return tensors.replace({table, type}, "embeddings.position_embeddings.used.weight", std::move(used));
}

}  // namespace octavo
