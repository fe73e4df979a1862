// Answers of two models, and labels, compared.
#include "octavo/agreement.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo {
namespace {

std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
  std::vector<double> result(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) result[order[i]] = 0.5 * static_cast<double>(begin + end - 1);
    begin = end;
  }
  return result;
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> column_of(const TaskAnswers& answers, int column) {
  std::vector<double> result;
  for (std::size_t i = static_cast<std::size_t>(column); i < answers.scores.size();
       i += static_cast<std::size_t>(answers.columns))
    result.push_back(static_cast<double>(answers.scores[i]));
  return result;
}

void append(TaskAnswers& to, const TaskAnswers& from) {
  to.kind = from.kind;
  to.columns = from.columns;
  to.choices.insert(to.choices.end(), from.choices.begin(), from.choices.end());
  to.scores.insert(to.scores.end(), from.scores.begin(), from.scores.end());
}

std::size_t samples_of(const TokenBatch& batch) { return batch.sequences.size(); }
std::size_t samples_of(const ImageBatch& batch) { return batch.images.size(); }

}  // namespace

double pearson(std::span<const double> a, std::span<const double> b) {
  if (a.size() != b.size()) throw Error("two lists of numbers to correlate differ in size");
  if (a.empty()) return 0.0;
  const double mean_a = mean_of(a), mean_b = mean_of(b);
  double both = 0.0, squares_a = 0.0, squares_b = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    both += (a[i] - mean_a) * (b[i] - mean_b);
    squares_a += (a[i] - mean_a) * (a[i] - mean_a);
    squares_b += (b[i] - mean_b) * (b[i] - mean_b);
  }
  if (squares_a <= 0.0 || squares_b <= 0.0) return 0.0;
  return std::clamp(both / (std::sqrt(squares_a) * std::sqrt(squares_b)), -1.0, 1.0);
}

double spearman(std::span<const double> a, std::span<const double> b) { return pearson(ranks(a), ranks(b)); }

Agreement agreement(const TaskAnswers& found, const TaskAnswers& expected) {
  if (found.kind != expected.kind || found.choices.size() != expected.choices.size() ||
      found.scores.size() != expected.scores.size() || found.columns != expected.columns)
    throw Error("two models' answers to compare differ in kind or count");
  Agreement result{.kind = found.kind, .count = std::ssize(found.choices)};
  std::int64_t same = 0;
  for (std::size_t i = 0; i < found.choices.size(); ++i) same += found.choices[i] == expected.choices[i];
  if (result.count > 0) result.same = static_cast<double>(same) / static_cast<double>(result.count);
  double sum = 0.0;
  for (std::size_t i = 0; i < found.scores.size(); ++i) {
    const double difference = std::abs(static_cast<double>(found.scores[i]) - static_cast<double>(expected.scores[i]));
    result.largest_difference = std::max(result.largest_difference, difference);
    sum += difference;
  }
  if (!found.scores.empty()) result.mean_difference = sum / static_cast<double>(found.scores.size());
  if (found.kind != AnswerKind::numbers) return result;
  result.count = std::ssize(found.scores);
  result.spearman = 0.0;
  for (int column = 0; column < found.columns; ++column)
    *result.spearman += spearman(column_of(found, column), column_of(expected, column)) / found.columns;
  return result;
}

TaskScore task_score(const TaskAnswers& answers, std::span<const SampleLabel> labels) {
  const bool numbers = answers.kind == AnswerKind::numbers && answers.columns == 1;
  if (!numbers && answers.kind != AnswerKind::classes)
    throw Error("labels are of samples with one class or one number each; these answers are " +
                std::string(name_of(answers.kind)));
  const std::size_t count = numbers ? answers.scores.size() : answers.choices.size();
  if (labels.size() != count)
    throw Error("there are " + std::to_string(labels.size()) + " labels of " + std::to_string(count) + " answers");
  std::vector<double> right, given;
  for (std::size_t i = 0; i < count; ++i) {
    if (!labels[i]) continue;
    right.push_back(*labels[i]);
    given.push_back(numbers ? static_cast<double>(answers.scores[i]) : static_cast<double>(answers.choices[i]));
  }
  TaskScore score{.count = std::ssize(right)};
  if (numbers) {
    score.value = spearman(given, right);
    score.pearson = pearson(given, right);
  } else if (score.count > 0) {
    for (std::size_t i = 0; i < right.size(); ++i) score.value += given[i] == right[i] ? 1.0 : 0.0;
    score.value /= static_cast<double>(score.count);
  }
  return score;
}

template <typename Batch>
void TaskComparison::keep(const Engine& reference, const Batch& batch, Workspace& workspace,
                          std::span<const SampleLabel> labels) {
  const std::size_t samples = samples_of(batch);
  if (!labels.empty() && labels.size() != samples)
    throw Error("there are " + std::to_string(labels.size()) + " labels of " + std::to_string(samples) + " samples");
  append(expected_, task_answers(reference, batch, workspace));
  batches_.emplace_back(batch);
  labels_.insert(labels_.end(), labels.begin(), labels.end());
  labels_.resize(labels_.size() + samples - labels.size());
}

void TaskComparison::add(const Engine& reference, const TokenBatch& batch, Workspace& workspace,
                         std::span<const SampleLabel> labels) {
  keep(reference, batch, workspace, labels);
}

void TaskComparison::add(const Engine& reference, const ImageBatch& batch, Workspace& workspace,
                         std::span<const SampleLabel> labels) {
  keep(reference, batch, workspace, labels);
}

TaskCloseness TaskComparison::closeness(const Engine& engine, Workspace& workspace) const {
  TaskAnswers found{.kind = expected_.kind, .columns = expected_.columns};
  for (const auto& batch : batches_)
    append(found, std::visit([&](const auto& each) { return task_answers(engine, each, workspace); }, batch));
  TaskCloseness result{.agreement = agreement(found, expected_)};
  if (std::ranges::any_of(labels_, &SampleLabel::has_value)) {
    result.expected = task_score(expected_, labels_);
    result.found = task_score(found, labels_);
  }
  return result;
}

}  // namespace octavo
