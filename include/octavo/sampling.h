// From next-token logits to the next token: sampling, beam search, and where a text stops.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace octavo {

/// How a token is chosen of its logits, in the order in which it is applied. The defaults choose the likeliest token.
struct SamplingOptions {
  double repetition_penalty = 1;  ///< above 0: positive logits of tokens so far are divided by it, negative multiplied
  double temperature = 0;         ///< logits are divided by it; 0: the likeliest token, whatever follows here
  int top_k = 0;                  ///< only the k likeliest tokens; 0: all
  double top_p = 1;               ///< (0, 1]: only the likeliest tokens that together have this probability
  double min_p = 0;               ///< [0, 1]: only tokens with this share of the likeliest one's probability
  std::uint64_t seed = 0;         ///< of the random numbers
};

/// Chooses tokens of one sequence. The same options, logits and tokens give the same choices on every machine; of equal
/// logits the lower id counts as the likelier.
class Sampler {
 public:
  /// Throws Error when an option is out of its range.
  explicit Sampler(const SamplingOptions& options = {});

  /// Chooses the next token. `logits` has one value per id, -infinity for ids that are out of question; `tokens` are
  /// those so far, with the prompt. Throws Error when a logit is NaN or infinity, all are -infinity, or a token is no
  /// id.
  std::int32_t sample(std::span<const float> logits, std::span<const std::int32_t> tokens);

 private:
  struct Candidate {
    double logit;
    std::int32_t id;
    double weight = 0;  // proportional to its probability
  };

  void read_candidates(std::span<const float> logits, std::span<const std::int32_t> tokens);
  void keep_top_k();
  void weigh();
  void keep_min_p();
  void keep_top_p();
  double next_uniform();

  SamplingOptions options_;
  std::uint64_t state_;
  std::vector<Candidate> candidates_;
};

/// Multiplies the score of each token so far by the penalty if it is negative, and divides it if it is positive, once
/// however often the token has come. Throws Error when a token is no id of the scores.
void penalize_repetition(std::span<float> scores, std::span<const std::int32_t> tokens, double penalty);

/// Computes log(softmax(logits)), one value per id.
[[nodiscard]] std::vector<float> log_softmax(std::span<const float> logits);

/// Ends a text that is made piece by piece at the first stop string: the one that is complete first, and of several the
/// longest. How the text is cut into pieces does not matter.
class StopStrings {
 public:
  /// Throws Error when one is empty.
  explicit StopStrings(std::vector<std::string> stops);

  /// Takes a piece and gives the text that can be shown now. What may be the beginning of a stop string is held back;
  /// nothing comes after one.
  [[nodiscard]] std::string push(std::string_view text);

  /// Gives the text that was held back, when no more will come.
  [[nodiscard]] std::string finish();

  /// Tells whether a stop string has come. It is not part of the text.
  bool stopped() const { return stopped_; }

 private:
  std::size_t held_back() const;

  std::vector<std::string> stops_;
  std::string pending_;
  bool stopped_ = false;
};

/// How wide a beam search is, and when it ends.
struct BeamOptions {
  int beams = 4;                ///< at least 1
  double length_penalty = 1;    ///< a hypothesis scores its log-probability over its length to this power
  bool early_stopping = false;  ///< stop with as many hypotheses as beams, even if a beam may still beat them
  std::vector<std::int32_t> end_tokens = {};  ///< tokens that end a hypothesis
};

/// Beam search of one sequence, as Hugging Face's: of the 2 * beams likeliest continuations of all beams (more with
/// several end tokens) those that end become hypotheses if they are among the first `beams`, the others go on until
/// there are `beams` of them.
class Beams {
 public:
  /// Throws Error when there is no beam or the length penalty is no number.
  explicit Beams(BeamOptions options);

  /// A new beam: what beam `parent` was, with one token more.
  struct Continuation {
    int parent;
    std::int32_t token;
    bool operator==(const Continuation&) const = default;
  };

  /// A text that ended: its tokens after the prompt with the end token, and its score.
  struct Hypothesis {
    std::vector<std::int32_t> tokens;
    double score;
  };

  /// Counts the beams whose next token is asked for: 1 before the first step, then as many as step() returned.
  int live() const { return static_cast<int>(beams_.size()); }

  /// Extends the beams by `log_probabilities` [live(), ids] of each one's next token. Returns the new beams, likeliest
  /// first; of equal ones the lower beam and id first. Throws Error when the size is no multiple of live() or a value
  /// is NaN.
  std::vector<Continuation> step(std::span<const float> log_probabilities);

  /// Tells whether no live beam can become better than the hypotheses, or none is live.
  bool done() const { return done_; }

  /// Gives the hypotheses, best first, at most `beams`. Unless done(), the live beams count as hypotheses that end
  /// here.
  [[nodiscard]] std::vector<Hypothesis> finish() const;

 private:
  struct Beam {
    std::vector<std::int32_t> tokens;
    double log_probability = 0;
  };
  struct Candidate {
    double log_probability;
    int parent;
    std::int32_t token;
  };

  std::vector<Candidate> likeliest(std::span<const float> log_probabilities) const;
  bool is_end(std::int32_t token) const;
  double score(double log_probability, std::size_t length) const;
  void add(Hypothesis hypothesis, std::vector<Hypothesis>& to) const;
  bool cannot_improve(double best_log_probability, std::size_t length) const;

  BeamOptions options_;
  std::vector<Beam> beams_ = {Beam()};
  std::vector<Hypothesis> hypotheses_;  // best first
  bool done_ = false;
};

}  // namespace octavo
