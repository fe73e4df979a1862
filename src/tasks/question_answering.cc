// From where an answer may begin and end to answers, by the rules of transformers' question-answering pipeline.
#include "tasks/score_functions.h"
#include "tasks/task_texts.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <limits>

namespace octavo {
namespace {

constexpr int kWindow = 384;  // tokens, where nothing else is asked for

/// Tokens of the context of a window, from the first to the last, and how likely they are the answer.
struct Candidate {
  std::size_t first, last;
  double score;
};

/// Probabilities over the first token of a window, which says that there is no answer, and those of the context.
struct Probabilities {
  double none;
  std::vector<double> context;
};

Probabilities probabilities(std::span<const float> logits, const TokenWindow& window, std::size_t column) {
  std::vector<float> values = {logits[column]};
  for (std::size_t i = 0; i < window.words.size(); ++i)
    values.push_back(logits[2 * (static_cast<std::size_t>(window.first) + i) + column]);
  const std::vector<float> scores = scores_of(values, ScoreFunction::softmax);
  return {scores[0], {scores.begin() + 1, scores.end()}};
}

/// The best spans of at most `longest` tokens.
std::vector<Candidate> best_spans(const Probabilities& begin, const Probabilities& end, int longest, std::size_t most) {
  std::vector<Candidate> result;
  const std::size_t count = begin.context.size();
  const auto better = [](const Candidate& a, const Candidate& b) { return a.score > b.score; };
  for (std::size_t first = 0; first < count; ++first) {
    for (std::size_t last = first; last < std::min(first + static_cast<std::size_t>(longest), count); ++last)
      result.push_back({first, last, begin.context[first] * end.context[last]});
    if (result.size() <= 4096 + most) continue;
    std::ranges::nth_element(result, result.begin() + static_cast<std::ptrdiff_t>(most), better);
    result.resize(most);
  }
  std::ranges::stable_sort(result, better);
  result.resize(std::min(result.size(), most));
  return result;
}

/// Bytes of the context: those of the tokens, or of the words that they are parts of, as far as the window has them.
ByteRange span_of(const TokenWindow& window, const Candidate& candidate, bool whole_words) {
  std::size_t first = candidate.first, last = candidate.last;
  const auto& words = window.words;
  while (whole_words && first > 0 && words[first - 1] == words[first]) --first;
  while (whole_words && last + 1 < words.size() && words[last + 1] == words[last]) ++last;
  const auto offset = [&](std::size_t i) { return window.tokens.offsets[static_cast<std::size_t>(window.first) + i]; };
  return {offset(first).begin, offset(last).end};
}

}  // namespace

QuestionAnswerer::QuestionAnswerer(const Model& model, const QuestionAnswererOptions& options)
    : tokenizer_(model_for(TextTask::question_answering, model).tokenizer()), options_(options) {
  const int length =
      options.max_length ? task_length(model.info(), options.max_length) : std::min(model.info().max_length, kWindow);
  windows_ = task_windows(length, options.overlap);
  if (options.count < 1 || options.max_answer_tokens < 1) {
    throw Error("count is " + std::to_string(options.count) + " and max_answer_tokens " +
                std::to_string(options.max_answer_tokens) + ", expected at least 1 of each");
  }
}

std::vector<TokenWindow> QuestionAnswerer::encode(std::string_view question, std::string_view context) const {
  return tokenizer_.windows(question, context, windows_);
}

std::vector<Answer> QuestionAnswerer::decode(std::string_view context, std::span<const TokenWindow> windows,
                                             const Tensor& logits) const {
  const auto most = static_cast<std::size_t>(options_.count), candidates = options_.whole_words ? 2 * most + 10 : most;
  const Characters characters(context);
  std::span<const float> rest = logits.as<float>();
  std::vector<Answer> answers;
  std::vector<std::string> lower;  // of each, in lower case
  double none = std::numeric_limits<double>::infinity();
  for (const TokenWindow& window : windows) {
    const Probabilities begin = probabilities(rest, window, 0), end = probabilities(rest, window, 1);
    rest = rest.subspan(2 * window.tokens.ids.size());
    none = std::min(none, begin.none * end.none);
    for (const Candidate& candidate : best_spans(begin, end, options_.max_answer_tokens, candidates)) {
      const ByteRange span = span_of(window, candidate, options_.whole_words);
      const std::string text(
          context.substr(static_cast<std::size_t>(span.begin), static_cast<std::size_t>(span.end - span.begin)));
      const auto same = std::ranges::find(lower, lower_cased_text(text));
      if (same != lower.end()) {
        answers[static_cast<std::size_t>(same - lower.begin())].score += static_cast<float>(candidate.score);
        continue;
      }
      lower.push_back(lower_cased_text(text));
      answers.push_back({.text = text,
                         .score = static_cast<float>(candidate.score),
                         .start = characters.before(span.begin),
                         .end = characters.before(span.end)});
    }
  }
  if (options_.impossible) answers.push_back({.text = "", .score = static_cast<float>(none)});
  std::ranges::stable_sort(answers, std::ranges::greater(), &Answer::score);
  answers.resize(std::min(answers.size(), most));
  return answers;
}

}  // namespace octavo
