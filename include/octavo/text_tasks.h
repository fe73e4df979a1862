// Tasks of models with a head for texts, as transformers' pipelines and sentence-transformers' cross-encoders do them.
//
// What takes long texts goes three steps, so that a caller may run several together: encode() makes windows of a text,
// Engine::logits() says something of their tokens, one window after the other, and decode() makes the answer of that.
// Places in a text are counted in characters (Unicode code points).
#pragma once

#include "octavo/tasks.h"
#include "octavo/tokenizer.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// Throws Error that says what the model's head is for when it is not this.
void require_task(const Model& model, TextTask task);

/// The `count` likeliest classes of each text or pair, best first; by default one, or all where several classes may be
/// true of a text at once. Scores are by `function`, by default ModelInfo::score_function. Throws Error when the model
/// does not classify texts; else as Engine::run().
std::vector<std::vector<ClassScore>> classify(const Engine& engine, const TokenBatch& batch, Workspace& workspace,
                                              std::optional<int> count = {},
                                              std::optional<ScoreFunction> function = {});

/// The same from the output "logits", f32 [texts, classes].
std::vector<std::vector<ClassScore>> classes_of(const Model& model, const Tensor& logits, std::optional<int> count = {},
                                                std::optional<ScoreFunction> function = {});

/// The class of a model of natural language inference that says that the second text follows from the first: its name
/// begins with "entail", in any case. Nothing where the model has none.
std::optional<int> entailment_class(const Model& model);

/// Classes that a model of natural language inference was not trained on: each is a hypothesis about the text.
struct ZeroShotOptions {
  std::string hypothesis = "This example is {}.";  ///< {} stands for the class
  bool multi_label = false;                        ///< several may be true at once
  std::optional<int> max_length = {};              ///< by default ModelInfo::max_length
};

class ZeroShotClassifier {
 public:
  /// Throws Error when the model has no class whose name begins with "entail", or there are no candidates.
  ZeroShotClassifier(const Model& model, std::vector<std::string> candidates, ZeroShotOptions options = {});

  /// The text with each hypothesis; it is the text that is cut. Throws Error when a hypothesis leaves it no room.
  std::vector<Tokens> encode(std::string_view text) const;

  /// Scores of the candidates, best first, of logits f32 [candidates, classes]; ClassScore::id is the candidate's
  /// place.
  std::vector<ClassScore> decode(const Tensor& logits) const;

  const std::vector<std::string>& candidates() const { return candidates_; }

 private:
  Tokenizer tokenizer_;
  std::vector<std::string> candidates_;
  ZeroShotOptions options_;
  int max_length_;
  int entailment_, contradiction_;
};

/// How well a document answers a query: a score per pair of texts, by ModelInfo::pair_function. Throws Error when the
/// model is not a classifier with one class; else as Engine::run().
std::vector<float> rank_scores(const Engine& engine, const TokenBatch& batch, Workspace& workspace);

struct RankedDocument {
  std::size_t index = 0;
  float score = 0.0f;
};

/// The `count` best, by default all, best first; of equal ones the first.
std::vector<RankedDocument> ranked(std::span<const float> scores, std::optional<int> count = {});

/// What a part of a text is.
struct Entity {
  std::string label;
  float score = 0.0f;
  std::int32_t start = 0, end = 0;  ///< characters of the text: from the first to before the last
  std::string text;                 ///< what stands there
};

/// How the classes of tokens become entities. All but `none` take B- and I- off the classes' names and put together
/// neighbours of one name unless the second begins with B-.
enum class Aggregation {
  none,     ///< each token by itself
  simple,   ///< by each token's likeliest class; the score is the mean
  first,    ///< a word has the class of its first token
  average,  ///< the likeliest class of the mean over its tokens
  max       ///< the class of its surest token
};

struct TokenClassifierOptions {
  Aggregation aggregation = Aggregation::simple;
  std::optional<int> max_length = {};  ///< tokens of a window; by default ModelInfo::max_length
  std::optional<int> overlap = {};     ///< of windows; by default half of them, at most 128 tokens
};

class TokenClassifier {
 public:
  /// Throws Error when the model does not classify tokens, has no tokenizer or takes fewer tokens than max_length.
  explicit TokenClassifier(const Model& model, const TokenClassifierOptions& options = {});

  std::vector<TokenWindow> encode(std::string_view text) const;

  /// Entities in the order of the text, without those called O, of logits f32 [tokens of all windows, classes]. Where
  /// windows overlap the longer entity counts, of equally long ones the surer one.
  std::vector<Entity> decode(std::string_view text, std::span<const TokenWindow> windows, const Tensor& logits) const;

 private:
  Model model_;
  Tokenizer tokenizer_;
  Aggregation aggregation_;
  WindowOptions windows_;
};

/// A part of the context that answers a question.
struct Answer {
  std::string text;
  float score = 0.0f;
  std::int32_t start = 0, end = 0;  ///< characters of the context; 0 and 0 for "there is no answer"
};

struct QuestionAnswererOptions {
  int count = 1;                       ///< most answers
  int max_answer_tokens = 15;          ///< of an answer before it is extended to whole words
  bool impossible = false;             ///< "" may be an answer: there is none
  bool whole_words = true;             ///< answers begin and end where words do
  std::optional<int> max_length = {};  ///< tokens of a window; by default ModelInfo::max_length, at most 384
  std::optional<int> overlap = {};     ///< of windows; by default half of them, at most 128 tokens
};

class QuestionAnswerer {
 public:
  /// Throws Error when the model does not answer questions, has no tokenizer or takes fewer tokens than max_length.
  explicit QuestionAnswerer(const Model& model, const QuestionAnswererOptions& options = {});

  /// Windows of the context, each with the question. Throws Error when the question leaves no room.
  std::vector<TokenWindow> encode(std::string_view question, std::string_view context) const;

  /// Answers, best first, of logits f32 [tokens of all windows, 2]. A score is the product of the probabilities that an
  /// answer begins and that it ends there, each within its window; answers of the same text, whatever the case, are one
  /// with the sum of their scores.
  std::vector<Answer> decode(std::string_view context, std::span<const TokenWindow> windows,
                             const Tensor& logits) const;

 private:
  Tokenizer tokenizer_;
  QuestionAnswererOptions options_;
  WindowOptions windows_;
};

/// A token and how likely it stands in a masked place.
struct TokenScore {
  std::int32_t id = 0;
  float score = 0.0f;  ///< softmax over the vocabulary
};

class MaskFiller {
 public:
  /// Throws Error when the model does not predict masked tokens, or its tokenizer has no mask_token.
  explicit MaskFiller(const Model& model);

  std::int32_t mask() const { return mask_; }

  /// Places of masked tokens in a sequence.
  std::vector<std::int32_t> masks(const Tokens& tokens) const;

  /// The tokens that targets stand for: those of the vocabulary, else the first token of each. Throws Error for one
  /// without tokens, and for one that the model has no logit of.
  std::vector<std::int32_t> targets(std::span<const std::string> words) const;

  /// What the model says of every masked place of a batch: f32 [masks, vocab_size], one sequence's after the other.
  Tensor logits(const Engine& engine, const TokenBatch& batch, Workspace& workspace) const;

  /// The `count` likeliest tokens of each row, best first: of all, or of targets, whose scores are the same.
  std::vector<std::vector<TokenScore>> decode(const Tensor& logits, int count = 5,
                                              std::span<const std::int32_t> targets = {}) const;

 private:
  Tokenizer tokenizer_;
  std::int32_t mask_;
  int vocab_size_;  // of the model, which may have more tokens than the tokenizer, or fewer
};

}  // namespace octavo
