// What a model's head answers, as choices and scores that can be compared.
#include "engine/engine_data.h"
#include "graph/text_task.h"
#include "io/enum_names.h"
#include "tasks/score_functions.h"
#include "tasks/task_texts.h"

#include "octavo/agreement.h"
#include "octavo/error.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace octavo {
namespace {

constexpr std::size_t kLongestSpan = 15;  // tokens, as QuestionAnswererOptions has it

constexpr Name<AnswerKind> kAnswerKinds[] = {{AnswerKind::none, "none"},
                                             {AnswerKind::classes, "classes"},
                                             {AnswerKind::decisions, "decisions"},
                                             {AnswerKind::numbers, "numbers"},
                                             {AnswerKind::token_classes, "token_classes"},
                                             {AnswerKind::spans, "spans"},
                                             {AnswerKind::tokens, "tokens"}};

std::int64_t best_of(std::span<const float> row) { return std::ranges::max_element(row) - row.begin(); }

/// Special tokens stand for nothing of a text. Tokens without offsets are taken for ones of a text.
bool is_of_text(const Tokens& tokens, std::size_t i) {
  return tokens.offsets.empty() || tokens.offsets[i].begin < tokens.offsets[i].end;
}

/// A choice and scores for each row.
void add_rows(const Tensor& logits, ScoreFunction function, TaskAnswers& answers) {
  const std::span<const float> all = logits.as<float>();
  answers.columns = static_cast<int>(logits.columns());
  const auto columns = static_cast<std::size_t>(logits.columns());
  for (std::size_t first = 0; first < all.size(); first += columns) {
    const std::span<const float> row = all.subspan(first, columns);
    const std::vector<float> scores = scores_of(row, function);
    answers.scores.insert(answers.scores.end(), scores.begin(), scores.end());
    if (answers.kind == AnswerKind::classes) answers.choices.push_back(best_of(row));
    if (answers.kind == AnswerKind::decisions)
      for (const float score : scores) answers.choices.push_back(score > 0.5f ? 1 : 0);
  }
}

void add_token_classes(const Tensor& logits, const TokenBatch& batch, TaskAnswers& answers) {
  std::int64_t row = 0;
  for (const Tokens& tokens : batch.sequences) {
    for (std::size_t i = 0; i < tokens.ids.size(); ++i, ++row)
      if (is_of_text(tokens, i)) answers.choices.push_back(best_of(logits.row<float>(row)));
  }
}

/// The last run of tokens of a text: where an answer is looked for. From the first to before the last.
std::pair<std::size_t, std::size_t> last_text(const Tokens& tokens) {
  std::size_t end = tokens.ids.size();
  while (end > 0 && !is_of_text(tokens, end - 1)) --end;
  std::size_t begin = end;
  while (begin > 0 && is_of_text(tokens, begin - 1)) --begin;
  return {begin, end};
}

void add_spans(const Tensor& logits, const TokenBatch& batch, TaskAnswers& answers) {
  std::size_t before = 0;
  const std::span<const float> all = logits.as<float>();
  for (const Tokens& tokens : batch.sequences) {
    const auto [begin, end] = last_text(tokens);
    std::size_t best_first = begin, best_last = begin;
    float best = -std::numeric_limits<float>::infinity();
    for (std::size_t first = begin; first < end; ++first) {
      for (std::size_t last = first; last < std::min(first + kLongestSpan, end); ++last) {
        const float score = all[2 * (before + first)] + all[2 * (before + last) + 1];
        if (score <= best) continue;
        best = score;
        best_first = first;
        best_last = last;
      }
    }
    answers.choices.push_back(static_cast<std::int64_t>(best_first * 65536 + best_last));
    before += tokens.ids.size();
  }
}

/// Rows of a batch at whose tokens a masked language model is asked: the masked ones of each sequence, else all of its
/// text.
std::vector<std::int32_t> asked_rows(const Model& model, const TokenBatch& batch) {
  const std::int32_t mask = model.has_tokenizer() ? model.tokenizer().mask_id() : -1;
  std::vector<std::int32_t> rows;
  std::int32_t before = 0;
  for (const Tokens& tokens : batch.sequences) {
    const bool masked = std::ranges::find(tokens.ids, mask) != tokens.ids.end();
    for (std::size_t i = 0; i < tokens.ids.size(); ++i)
      if (masked ? tokens.ids[i] == mask : is_of_text(tokens, i)) rows.push_back(before + static_cast<std::int32_t>(i));
    before += static_cast<std::int32_t>(tokens.ids.size());
  }
  return rows;
}

void add_masked_tokens(const Engine& engine, const TokenBatch& batch, Workspace& workspace, TaskAnswers& answers) {
  const Engine::Data& data = data_of(engine);
  const std::vector<std::int32_t> rows = asked_rows(engine.model(), batch);
  if (rows.empty()) return;
  answers.choices.resize(rows.size());
  const bool alone = data_of(engine.model()).graph.find_output(kLogits) != nullptr;
  data.visit_chosen(data.output(alone ? kLogits : kPredictionLogits), make_ragged(batch, engine.model().info()), rows,
                    workspace,
                    [&](std::size_t index, std::span<const float> row) { answers.choices[index] = best_of(row); });
}

[[noreturn]] void refuse(const ModelInfo& info) {
  throw Error(info.name + ": it has no head for a task, so that there are no answers to compare");
}

}  // namespace

std::string_view name_of(AnswerKind kind) { return name_in(kAnswerKinds, kind); }

AnswerKind answer_kind(const ModelInfo& info) {
  if (info.decoder) return AnswerKind::tokens;
  if (info.image)
    return info.classes > 1 ? AnswerKind::classes : info.classes == 1 ? AnswerKind::numbers : AnswerKind::none;
  switch (info.task) {
    case TextTask::none:
      return AnswerKind::none;
    case TextTask::sequence_classification:
      if (info.classes == 1 || info.score_function == ScoreFunction::none) return AnswerKind::numbers;
      return info.score_function == ScoreFunction::sigmoid ? AnswerKind::decisions : AnswerKind::classes;
    case TextTask::token_classification:
      return AnswerKind::token_classes;
    case TextTask::question_answering:
      return AnswerKind::spans;
    case TextTask::masked_language_model:
      return AnswerKind::tokens;
  }
  return AnswerKind::none;
}

TaskAnswers task_answers(const Engine& engine, const TokenBatch& batch, Workspace& workspace) {
  const ModelInfo& info = engine.model().info();
  TaskAnswers answers{.kind = answer_kind(info)};
  switch (answers.kind) {
    case AnswerKind::none:
      refuse(info);
    case AnswerKind::classes:
    case AnswerKind::decisions:
    case AnswerKind::numbers:
      add_rows(engine.logits(batch, workspace), info.score_function, answers);
      break;
    case AnswerKind::token_classes:
      add_token_classes(engine.logits(batch, workspace), batch, answers);
      break;
    case AnswerKind::spans:
      add_spans(engine.logits(batch, workspace), batch, answers);
      break;
    case AnswerKind::tokens:
      if (!info.decoder) {
        add_masked_tokens(engine, batch, workspace, answers);
        break;
      }
      const Tensor logits = engine.logits(batch, workspace);
      for (std::int64_t row = 0; row < logits.rows(); ++row) answers.choices.push_back(best_of(logits.row<float>(row)));
      break;
  }
  return answers;
}

TaskAnswers task_answers(const Engine& engine, const ImageBatch& batch, Workspace& workspace) {
  const ModelInfo& info = engine.model().info();
  TaskAnswers answers{.kind = answer_kind(info)};
  if (answers.kind == AnswerKind::none) refuse(info);
  add_rows(engine.logits(batch, workspace), info.score_function, answers);
  return answers;
}

}  // namespace octavo
