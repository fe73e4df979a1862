// From the classes of tokens to entities, by the rules of transformers' token-classification pipeline.
#include "tasks/score_functions.h"
#include "tasks/task_texts.h"
#include "tokenizer/unicode/utf8.h"

#include "octavo/text_tasks.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace octavo {
namespace {

constexpr std::string_view kNoEntity = "O";

/// A token or a word, with the scores of its classes until one is chosen.
struct Part {
  std::vector<float> scores;
  ByteRange span;                // bytes of the text
  bool is_continuation = false;  // of the word before

  std::size_t best() const {
    return static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
  }
  float best_score() const { return scores[best()]; }
};

/// A part with its class, or several with one.
struct Labelled {
  std::string label;
  double score = 0.0;
  ByteRange span;
};

std::int32_t count_characters(std::string_view text) {
  return Characters(text).before(static_cast<std::int32_t>(text.size()));
}

/// Whether a token goes on with the word before. Where the tokenizer marks that, it is as long as the text that it
/// comes from unless it has the mark; else a space must stand before a new word.
bool continues_word(const Tokenizer& tokenizer, std::string_view text, std::int32_t id, ByteRange span) {
  if (id == tokenizer.unknown_id()) return false;
  const auto begin = static_cast<std::size_t>(span.begin);
  if (!tokenizer.continuing_subword_prefix().empty()) {
    const auto size = static_cast<std::size_t>(span.end - span.begin);
    return count_characters(tokenizer.token(id)) != count_characters(text.substr(begin, size));
  }
  if (begin == 0) return false;
  const bool space_before = text[begin - 1] == ' ', space_first = begin < text.size() && text[begin] == ' ';
  return !space_before && !space_first;
}

std::vector<Part> parts_of(const Tokenizer& tokenizer, std::string_view text, const TokenWindow& window,
                           std::span<const float> logits, std::size_t columns) {
  std::vector<Part> parts;
  for (std::size_t i = 0; i < window.words.size(); ++i) {
    const std::size_t at = static_cast<std::size_t>(window.first) + i;
    const ByteRange span = window.tokens.offsets[at];
    parts.push_back({.scores = scores_of(logits.subspan(at * columns, columns), ScoreFunction::softmax),
                     .span = span,
                     .is_continuation = continues_word(tokenizer, text, window.tokens.ids[at], span)});
  }
  return parts;
}

/// The scores that a word has from its tokens.
std::vector<float> word_scores(std::span<const Part> tokens, Aggregation aggregation) {
  if (aggregation == Aggregation::first) return tokens[0].scores;
  if (aggregation == Aggregation::max)
    return std::ranges::max_element(tokens, std::ranges::less(), &Part::best_score)->scores;
  std::vector<float> mean(tokens[0].scores.size());
  for (std::size_t column = 0; column < mean.size(); ++column) {
    double sum = 0.0;
    for (const Part& token : tokens) sum += static_cast<double>(token.scores[column]);
    mean[column] = static_cast<float>(sum / static_cast<double>(tokens.size()));
  }
  return mean;
}

std::vector<Part> words_of(const std::vector<Part>& tokens, Aggregation aggregation) {
  std::vector<Part> words;
  for (std::size_t begin = 0; begin < tokens.size();) {
    std::size_t end = begin + 1;
    while (end < tokens.size() && tokens[end].is_continuation) ++end;
    const std::span<const Part> word(&tokens[begin], end - begin);
    words.push_back(
        {.scores = word_scores(word, aggregation), .span = {word.front().span.begin, word.back().span.end}});
    begin = end;
  }
  return words;
}

/// The name of a class without B- or I-, and whether it begins an entity.
std::pair<std::string_view, bool> tag_of(std::string_view label) {
  const bool begins = label.starts_with("B-");
  if (begins || label.starts_with("I-")) label.remove_prefix(2);
  return {label, begins};
}

/// transformers takes off all up to the first hyphen.
std::string group_label(const std::string& label) { return label.substr(label.find('-') + 1); }

std::vector<Labelled> grouped(const std::vector<Labelled>& parts) {
  std::vector<Labelled> groups;
  for (std::size_t begin = 0; begin < parts.size();) {
    std::size_t end = begin + 1;
    double sum = parts[begin].score;
    for (; end < parts.size(); ++end) {
      const auto [tag, begins] = tag_of(parts[end].label);
      if (begins || tag != tag_of(parts[end - 1].label).first) break;
      sum += parts[end].score;
    }
    groups.push_back({.label = group_label(parts[begin].label),
                      .score = sum / static_cast<double>(end - begin),
                      .span = {parts[begin].span.begin, parts[end - 1].span.end}});
    begin = end;
  }
  return groups;
}

/// Of those that overlap the longest, of equally long ones the surest.
std::vector<Labelled> without_overlaps(std::vector<Labelled> entities, const Characters& characters) {
  const auto length = [&](const Labelled& entity) {
    return characters.before(entity.span.end) - characters.before(entity.span.begin);
  };
  std::ranges::stable_sort(entities, std::ranges::less(), [](const Labelled& each) { return each.span.begin; });
  std::vector<Labelled> result;
  for (Labelled& entity : entities) {
    if (result.empty() || entity.span.begin >= result.back().span.end) {
      result.push_back(std::move(entity));
      continue;
    }
    Labelled& previous = result.back();
    const std::int32_t longer = length(entity) - length(previous);
    if (longer > 0 || (longer == 0 && entity.score > previous.score)) previous = std::move(entity);
  }
  return result;
}

}  // namespace

TokenClassifier::TokenClassifier(const Model& model, const TokenClassifierOptions& options)
    : model_(model_for(TextTask::token_classification, model)),
      tokenizer_(model_.tokenizer()),
      aggregation_(options.aggregation),
      windows_(task_windows(task_length(model_.info(), options.max_length), options.overlap)) {}

std::vector<TokenWindow> TokenClassifier::encode(std::string_view text) const {
  return tokenizer_.windows(text, windows_);
}

std::vector<Entity> TokenClassifier::decode(std::string_view text, std::span<const TokenWindow> windows,
                                            const Tensor& logits) const {
  const auto columns = static_cast<std::size_t>(logits.columns());
  std::span<const float> rest = logits.as<float>();
  std::vector<Labelled> entities;
  for (const TokenWindow& window : windows) {
    std::vector<Part> parts = parts_of(tokenizer_, text, window, rest, columns);
    rest = rest.subspan(window.tokens.ids.size() * columns);
    if (aggregation_ != Aggregation::none && aggregation_ != Aggregation::simple) parts = words_of(parts, aggregation_);
    std::vector<Labelled> labelled;
    for (const Part& part : parts) {
      labelled.push_back({.label = label_of(model_, static_cast<int>(part.best())),
                          .score = static_cast<double>(part.best_score()),
                          .span = part.span});
    }
    if (aggregation_ != Aggregation::none) labelled = grouped(labelled);
    std::erase_if(labelled, [](const Labelled& each) { return each.label == kNoEntity; });
    entities.insert(entities.end(), labelled.begin(), labelled.end());
  }
  const Characters characters(text);
  if (windows.size() > 1) entities = without_overlaps(std::move(entities), characters);
  std::vector<Entity> result;
  for (const Labelled& entity : entities) {
    const auto begin = static_cast<std::size_t>(entity.span.begin), end = static_cast<std::size_t>(entity.span.end);
    result.push_back({.label = entity.label,
                      .score = static_cast<float>(entity.score),
                      .start = characters.before(entity.span.begin),
                      .end = characters.before(entity.span.end),
                      .text = std::string(text.substr(begin, end - begin))});
  }
  return result;
}

}  // namespace octavo
