// Whether a quantized model answers as float32 does: what its head is for, as a user of the task sees it, beside the
// cosine of comparison.h. With labels also how well either answers.
#pragma once

#include "octavo/engine.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

/// What one answer of a model's head is.
enum class AnswerKind {
  none,           ///< there is no head for a task: the model answers with embeddings
  classes,        ///< a sample's likeliest class
  decisions,      ///< for each class of a sample, whether it is more likely than not: several may be true
  numbers,        ///< a sample's score or scores
  token_classes,  ///< a token's likeliest class, special tokens left out
  spans,          ///< where the likeliest answer begins and ends in a sample's second text
  tokens,         ///< the likeliest token: of a masked place, or of every token of samples without one; of a decoder,
                  ///< the next token
};

/// Names a kind: "classes", "token_classes", ...
std::string_view name_of(AnswerKind kind);

/// Tells what a model's answers are.
AnswerKind answer_kind(const ModelInfo& info);

/// What a model's head answers to some samples, in order.
struct TaskAnswers {
  AnswerKind kind = AnswerKind::none;
  std::vector<std::int64_t> choices = {};  ///< classes, tokens, decisions (0 or 1), or first * 65536 + last of spans
  std::vector<float> scores = {};          ///< probabilities of classes and decisions, or numbers: [samples, columns]
  int columns = 0;                         ///< of `scores`; 0: the kind has none
};

/// Computes what a model's head answers to a batch; spans have at most 15 tokens. Throws Error when it has no head for
/// a task; else as Engine::logits().
TaskAnswers task_answers(const Engine& engine, const TokenBatch& batch, Workspace& workspace);
/// The same of pictures.
TaskAnswers task_answers(const Engine& engine, const ImageBatch& batch, Workspace& workspace);

/// How many of two models' answers are the same, and how far their scores are apart.
struct Agreement {
  AnswerKind kind = AnswerKind::none;
  std::int64_t count = 0;               ///< answers, or numbers
  double same = 1.0;                    ///< share of the choices, 0 to 1
  double largest_difference = 0.0;      ///< of scores
  double mean_difference = 0.0;         ///< of scores, absolute
  std::optional<double> spearman = {};  ///< of numbers: rank correlation, mean over columns

  /// Points that are lost against the same answers everywhere: 100 is none alike, or no correlation.
  double points_lost() const { return 100.0 * (1.0 - spearman.value_or(same)); }
};

/// Compares the answers of two models to the same samples. Throws Error when they are not of the same kind and count.
Agreement agreement(const TaskAnswers& found, const TaskAnswers& expected);

/// Computes the correlation of two lists of equal size, -1 to 1; 0 where one of them is constant.
double pearson(std::span<const double> a, std::span<const double> b);

/// Computes the correlation of ranks; equal numbers share the mean of theirs.
double spearman(std::span<const double> a, std::span<const double> b);

/// What is right of a sample: the number of its class or, of a model with one class, a number. Nothing: unknown.
using SampleLabel = std::optional<double>;

/// How well answers fit labels.
struct TaskScore {
  std::int64_t count = 0;              ///< samples with a label
  double value = 0.0;                  ///< accuracy, 0 to 1, or Spearman's correlation
  std::optional<double> pearson = {};  ///< of numbers
};

/// Scores answers by labels, one for each sample. Throws Error for other kinds than classes and single numbers, and
/// when there are not as many labels as answers.
TaskScore task_score(const TaskAnswers& answers, std::span<const SampleLabel> labels);

/// What a model's task loses against float32.
struct TaskCloseness {
  Agreement agreement;
  std::optional<TaskScore> expected = {}, found = {};  ///< of float32 and of the model; none without labels

  /// Points of accuracy or of 100 * Spearman; without labels those of the agreement.
  double drop() const { return found ? 100.0 * (expected->value - found->value) : agreement.points_lost(); }
};

/// What a float32 model's head answers to some samples, to compare quantized ones with.
class TaskComparison {
 public:
  /// Keeps a batch with the reference's answers and the labels of its samples: none, or one for each. Throws Error as
  /// task_answers() does, and for another number of labels.
  void add(const Engine& reference, const TokenBatch& batch, Workspace& workspace,
           std::span<const SampleLabel> labels = {});
  void add(const Engine& reference, const ImageBatch& batch, Workspace& workspace,
           std::span<const SampleLabel> labels = {});

  /// Compares what the engine answers with what the reference answered. Throws Error as task_answers() and task_score()
  /// do.
  TaskCloseness closeness(const Engine& engine, Workspace& workspace) const;

 private:
  template <typename Batch>
  void keep(const Engine& reference, const Batch& batch, Workspace& workspace, std::span<const SampleLabel> labels);

  std::vector<std::variant<TokenBatch, ImageBatch>> batches_;
  TaskAnswers expected_;
  std::vector<SampleLabel> labels_;
};

}  // namespace octavo
