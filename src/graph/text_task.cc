#include "graph/text_task.h"

namespace octavo {
namespace {

constexpr Name<TextTask> kTextTasks[] = {{TextTask::none, "none"},
                                         {TextTask::sequence_classification, "sequence_classification"},
                                         {TextTask::token_classification, "token_classification"},
                                         {TextTask::question_answering, "question_answering"},
                                         {TextTask::masked_language_model, "masked_language_model"}};

}  // namespace

std::string_view name_of(TextTask task) { return name_in(kTextTasks, task); }
std::string_view name_of(ScoreFunction function) { return name_in(kScoreFunctions, function); }

TextTask text_task(const Graph& graph, const ModelInfo& info) {
  if (info.image || info.decoder) return TextTask::none;
  const GraphOutput* logits = graph.find_output(kLogits);
  if (!logits) logits = graph.find_output(kPredictionLogits);
  if (!logits) return TextTask::none;
  const RowKind rows = graph.value(logits->value).rows;
  const std::string_view module = graph.name(logits->value);
  if (rows == RowKind::chosen_token) return TextTask::masked_language_model;
  if (module == "qa_outputs") return TextTask::question_answering;
  // Of the other heads only a classifier has the model's classes: not one that tells whether sentences follow each
  // other, nor one that tells which tokens were replaced.
  if (info.classes == 0 || module == "cls.seq_relationship") return TextTask::none;
  return rows == RowKind::sequence ? TextTask::sequence_classification : TextTask::token_classification;
}

}  // namespace octavo
