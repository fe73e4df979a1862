// Classes that a model was not trained on, by what a model of natural language inference says of hypotheses.
#include "tasks/score_functions.h"
#include "tasks/task_texts.h"

#include "octavo/error.h"
#include "octavo/text_tasks.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace octavo {
namespace {

constexpr std::string_view kPlace = "{}";

int required_entailment_class(const Model& model) {
  const std::optional<int> found = entailment_class(model);
  if (!found) {
    throw Error(model.info().name +
                ": none of its classes begins with \"entail\", expected a model of natural language inference");
  }
  return *found;
}

/// A pair of at most `max_length` tokens, the first text of which is cut.
Tokens encode_pair(const Tokenizer& tokenizer, std::string_view text, std::string_view pair, int max_length) {
  Tokens tokens = tokenizer.encode(text, pair);
  const std::ptrdiff_t excess = std::ssize(tokens.ids) - max_length;
  if (excess <= 0) return tokens;
  const std::ptrdiff_t special = std::ssize(tokenizer.encode("").ids),
                       count = std::ssize(tokenizer.encode(text).ids) - special,
                       first = tokenizer.windows("", {.max_length = max_length})[0].first;
  if (excess >= count) {
    throw Error("the hypothesis \"" + std::string(pair) + "\" leaves no room for a text within " +
                std::to_string(max_length) + " tokens");
  }
  const auto cut = [&](auto& all) { all.erase(all.begin() + first + count - excess, all.begin() + first + count); };
  cut(tokens.ids);
  cut(tokens.type_ids);
  cut(tokens.offsets);
  tokens.truncated = static_cast<std::int32_t>(excess);
  return tokens;
}

}  // namespace

std::optional<int> entailment_class(const Model& model) {
  const std::vector<std::string>& labels = model.labels();
  const auto found = std::ranges::find_if(
      labels, [](const std::string& label) { return lower_cased_text(label).starts_with("entail"); });
  if (found == labels.end() || labels.size() < 2) return {};
  return static_cast<int>(found - labels.begin());
}

ZeroShotClassifier::ZeroShotClassifier(const Model& model, std::vector<std::string> candidates, ZeroShotOptions options)
    : tokenizer_(model_for(TextTask::sequence_classification, model).tokenizer()),
      candidates_(std::move(candidates)),
      options_(std::move(options)),
      max_length_(task_length(model.info(), options_.max_length)),
      entailment_(required_entailment_class(model)),
      contradiction_(entailment_ == 0 ? model.info().classes - 1 : 0) {
  if (candidates_.empty()) throw Error("there are no candidates, expected at least one class");
  if (options_.hypothesis.find(kPlace) == std::string::npos)
    throw Error("the hypothesis is \"" + options_.hypothesis + "\", expected {} in it, in the place of the class");
}

std::vector<Tokens> ZeroShotClassifier::encode(std::string_view text) const {
  std::vector<Tokens> result;
  for (const std::string& candidate : candidates_) {
    std::string hypothesis = options_.hypothesis;
    hypothesis.replace(hypothesis.find(kPlace), kPlace.size(), candidate);
    result.push_back(encode_pair(tokenizer_, text, hypothesis, max_length_));
  }
  return result;
}

std::vector<ClassScore> ZeroShotClassifier::decode(const Tensor& logits) const {
  const std::span<const float> all = logits.as<float>();
  const auto columns = static_cast<std::size_t>(logits.columns());
  const auto logit = [&](std::size_t candidate, int id) {
    return all[candidate * columns + static_cast<std::size_t>(id)];
  };
  std::vector<float> scores;
  for (std::size_t i = 0; i < candidates_.size(); ++i) scores.push_back(logit(i, entailment_));
  if (options_.multi_label || candidates_.size() == 1) {
    for (std::size_t i = 0; i < candidates_.size(); ++i) {
      const float both[] = {logit(i, contradiction_), logit(i, entailment_)};
      scores[i] = scores_of(both, ScoreFunction::softmax)[1];
    }
  } else {
    scores = scores_of(scores, ScoreFunction::softmax);
  }
  std::vector<ClassScore> result;
  for (const RankedDocument& each : ranked(scores))
    result.push_back({.id = static_cast<int>(each.index), .score = each.score});
  return result;
}

}  // namespace octavo
