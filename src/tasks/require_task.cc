// Has a model the head that a task needs?
#include "octavo/error.h"
#include "octavo/text_tasks.h"

namespace octavo {
namespace {

std::string described(const ModelInfo& info) {
  if (info.image) return "it takes pictures";
  if (info.decoder) return "it predicts the next token";
  switch (info.task) {
    case TextTask::none:
      return "it has no head for a task of texts";
    case TextTask::sequence_classification:
      return "its head classifies texts";
    case TextTask::token_classification:
      return "its head classifies tokens";
    case TextTask::question_answering:
      return "its head finds answers to questions";
    case TextTask::masked_language_model:
      return "its head predicts masked tokens";
  }
  return "";
}

std::string wanted(TextTask task) {
  switch (task) {
    case TextTask::none:
      break;
    case TextTask::sequence_classification:
      return "does not classify texts";
    case TextTask::token_classification:
      return "does not classify tokens";
    case TextTask::question_answering:
      return "does not answer questions";
    case TextTask::masked_language_model:
      return "does not predict masked tokens";
  }
  return "has a head";
}

}  // namespace

void require_task(const Model& model, TextTask task) {
  const ModelInfo& info = model.info();
  if (info.task != task) throw Error(info.name + ": " + wanted(task) + ": " + described(info));
}

}  // namespace octavo
