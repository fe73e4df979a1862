// Which beams go on, and which texts have ended?
#include "octavo/error.h"
#include "octavo/sampling.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace octavo {

Beams::Beams(BeamOptions options) : options_(std::move(options)) {
  if (options_.beams < 1) throw Error("beams are " + std::to_string(options_.beams) + ", expected at least 1");
  if (!std::isfinite(options_.length_penalty)) {
    throw Error("length penalty is " + std::to_string(options_.length_penalty) + ", expected a number");
  }
}

std::vector<Beams::Continuation> Beams::step(std::span<const float> log_probabilities) {
  if (beams_.empty() || log_probabilities.empty() || log_probabilities.size() % beams_.size() != 0) {
    throw Error("log-probabilities: there are " + std::to_string(log_probabilities.size()) +
                ", expected as many for each of " + std::to_string(beams_.size()) + " live beams");
  }
  const std::vector<Candidate> candidates = likeliest(log_probabilities);
  const auto beams = static_cast<std::size_t>(options_.beams);
  std::vector<Beam> next;
  std::vector<Continuation> continuations;
  for (std::size_t rank = 0; rank < candidates.size() && next.size() < beams; ++rank) {
    const auto& [log_probability, parent, token] = candidates[rank];
    if (is_end(token) && rank >= beams) continue;
    std::vector<std::int32_t> tokens = beams_[static_cast<std::size_t>(parent)].tokens;
    tokens.push_back(token);
    if (is_end(token)) {
      const double its_score = score(log_probability, tokens.size());
      add({.tokens = std::move(tokens), .score = its_score}, hypotheses_);
    } else {
      next.push_back({.tokens = std::move(tokens), .log_probability = log_probability});
      continuations.push_back({.parent = parent, .token = token});
    }
  }
  const std::size_t length = beams_[0].tokens.size() + 1;
  beams_ = std::move(next);
  done_ = done_ || beams_.empty() || cannot_improve(candidates[0].log_probability, length);
  return continuations;
}

std::vector<Beams::Hypothesis> Beams::finish() const {
  std::vector<Hypothesis> result = hypotheses_;
  if (done_) return result;
  for (const Beam& beam : beams_) {
    if (beam.tokens.empty()) continue;
    add({.tokens = beam.tokens, .score = score(beam.log_probability, beam.tokens.size())}, result);
  }
  return result;
}

std::vector<Beams::Candidate> Beams::likeliest(std::span<const float> log_probabilities) const {
  const std::size_t ids = log_probabilities.size() / beams_.size();
  const std::size_t count =
      std::max<std::size_t>(2, 1 + options_.end_tokens.size()) * static_cast<std::size_t>(options_.beams);
  const auto is_likelier = [](const Candidate& a, const Candidate& b) {
    if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
    return std::pair(a.parent, a.token) < std::pair(b.parent, b.token);
  };
  std::vector<Candidate> heap;  // the least likely at its front
  for (std::size_t i = 0; i < log_probabilities.size(); ++i) {
    if (std::isnan(log_probabilities[i])) {
      throw Error("log-probability of token " + std::to_string(i % ids) + " is NaN, expected a number");
    }
    const std::size_t parent = i / ids;
    const Candidate candidate = {.log_probability = beams_[parent].log_probability + log_probabilities[i],
                                 .parent = static_cast<int>(parent),
                                 .token = static_cast<std::int32_t>(i % ids)};
    if (heap.size() == count) {
      if (!is_likelier(candidate, heap.front())) continue;
      std::pop_heap(heap.begin(), heap.end(), is_likelier);
      heap.pop_back();
    }
    heap.push_back(candidate);
    std::push_heap(heap.begin(), heap.end(), is_likelier);
  }
  std::sort_heap(heap.begin(), heap.end(), is_likelier);
  return heap;
}

bool Beams::is_end(std::int32_t token) const {
  return std::find(options_.end_tokens.begin(), options_.end_tokens.end(), token) != options_.end_tokens.end();
}

double Beams::score(double log_probability, std::size_t length) const {
  return log_probability / std::pow(static_cast<double>(length), options_.length_penalty);
}

// After those that score alike; the worst is dropped when there are too many.
void Beams::add(Hypothesis hypothesis, std::vector<Hypothesis>& to) const {
  const auto place = std::upper_bound(to.begin(), to.end(), hypothesis,
                                      [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
  to.insert(place, std::move(hypothesis));
  if (to.size() > static_cast<std::size_t>(options_.beams)) to.pop_back();
}

bool Beams::cannot_improve(double best_log_probability, std::size_t length) const {
  if (hypotheses_.size() < static_cast<std::size_t>(options_.beams)) return false;
  return options_.early_stopping || hypotheses_.back().score >= score(best_log_probability, length);
}

}  // namespace octavo
