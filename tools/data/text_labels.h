// What is right of texts, in a column of the file that they are read from, and how well answers fit that.
#pragma once

#include "data/input.h"

#include "octavo/agreement.h"
#include "octavo/tasks.h"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace octavo::tools {

/// The column of a flag, from 1: a number, or the name of a column in the file's first line, which is then taken from
/// the reader and holds no text. Throws octavo::Error when that line has no such column.
int column_of(const std::string& flag, LineReader& reader);

/// Reads the labels of a model's classes, or of candidates; numbers where there are no classes.
class LabelReader {
 public:
  /// Of a model that classifies texts. Throws octavo::Error when it does not, and where a text may have several classes
  /// or numbers.
  explicit LabelReader(const Model& model);

  explicit LabelReader(std::vector<std::string> names) : names_(std::move(names)) {}

  /// A class's name or number, or a number. Throws octavo::Error that begins with `place` for anything else.
  double read(const std::string& cell, const std::string& place) const;

  bool numbers() const { return names_.empty(); }

 private:
  std::vector<std::string> names_;
};

/// Compares answers with labels, one after the other.
class LabelScore {
 public:
  explicit LabelScore(bool numbers) : answers_{.kind = numbers ? AnswerKind::numbers : AnswerKind::classes} {}

  /// The best class of an input, or its one score.
  void add(const ClassScore& best, double label);

  TaskScore score() const { return task_score(answers_, labels_); }

  /// "accuracy 86.35 % of 872 labelled inputs", or "Spearman 0.8010, Pearson 0.8135 of 744 labelled inputs".
  std::string text() const;

  /// `labelled`, and `accuracy` or `spearman` and `pearson`.
  nlohmann::ordered_json json() const;

 private:
  TaskAnswers answers_;
  std::vector<SampleLabel> labels_;
};

}  // namespace octavo::tools
