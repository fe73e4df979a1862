#include "octavo/sampling.h"

#include "base/split_mix.h"

#include "octavo/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <sstream>

namespace octavo {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

void check(bool valid, const char* name, double value, const char* expected) {
  if (valid) return;
  std::ostringstream message;
  message << name << " is " << value << ", expected " << expected;
  throw Error(message.str());
}

void check_options(const SamplingOptions& o) {
  const auto is_in = [](double value, double least, double most) { return value >= least && value <= most; };
  check(o.repetition_penalty > 0 && std::isfinite(o.repetition_penalty), "repetition penalty", o.repetition_penalty,
        "a number above 0");
  check(o.temperature >= 0 && std::isfinite(o.temperature), "temperature", o.temperature, "0 or a number above");
  check(o.top_k >= 0, "top-k", o.top_k, "0 or a number of tokens");
  check(is_in(o.top_p, 0, 1) && o.top_p > 0, "top-p", o.top_p, "a number above 0 and at most 1");
  check(is_in(o.min_p, 0, 1), "min-p", o.min_p, "a number from 0 to 1");
}

constexpr std::array<double, 14> kInverseFactorials = [] {
  std::array<double, 14> result = {1};
  for (std::size_t i = 1; i < result.size(); ++i) result[i] = result[i - 1] / static_cast<double>(i);
  return result;
}();

// e^x for x <= 0 by additions and multiplications alone, so that every machine has the same bits: 2^n times the Taylor
// series around 0, which leaves out less than 1e-17.
double exp_negative(double x) {
  if (!(x > -708)) return 0;
  constexpr double kLog2 = 0.693147180559945309417;
  const double n = std::floor(x * (1 / kLog2) + 0.5), r = x - n * kLog2;
  double sum = 0;
  for (std::size_t i = kInverseFactorials.size(); i-- > 0;) sum = sum * r + kInverseFactorials[i];
  return std::ldexp(sum, static_cast<int>(n));
}

// By id, whether it is one of the tokens.
std::vector<bool> ids_among(std::span<const std::int32_t> tokens, std::size_t ids) {
  std::vector<bool> result(ids);
  for (const std::int32_t token : tokens) {
    if (token < 0 || static_cast<std::size_t>(token) >= ids) {
      throw Error("token so far is " + std::to_string(token) + ", expected 0 to " + std::to_string(ids) +
                  " - 1 for so many logits");
    }
    result[static_cast<std::size_t>(token)] = true;
  }
  return result;
}

void check_logit(float logit, std::size_t id) {
  if (!std::isnan(logit) && logit != std::numeric_limits<float>::infinity()) return;
  throw Error("logit of token " + std::to_string(id) + " is " + std::to_string(logit) + ", expected a number");
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options) : options_(options), state_(options.seed) { check_options(options_); }

std::int32_t Sampler::sample(std::span<const float> logits, std::span<const std::int32_t> tokens) {
  read_candidates(logits, tokens);
  const auto is_likelier = [](const Candidate& a, const Candidate& b) { return a.logit > b.logit; };
  if (options_.temperature == 0) return std::min_element(candidates_.begin(), candidates_.end(), is_likelier)->id;
  keep_top_k();
  weigh();
  keep_top_p();
  keep_min_p();
  double rest = 0;
  for (const Candidate& c : candidates_) rest += c.weight;
  rest *= next_uniform();
  for (const Candidate& c : candidates_) {
    rest -= c.weight;
    if (rest < 0) return c.id;
  }
  return candidates_.back().id;
}

// By id, without those that are out of question.
void Sampler::read_candidates(std::span<const float> logits, std::span<const std::int32_t> tokens) {
  const std::vector<bool> is_repeated = ids_among(tokens, logits.size());
  candidates_.clear();
  candidates_.reserve(logits.size());
  for (std::size_t id = 0; id < logits.size(); ++id) {
    check_logit(logits[id], id);
    double logit = logits[id];
    if (logit == kMinusInfinity) continue;
    if (is_repeated[id]) logit = logit > 0 ? logit / options_.repetition_penalty : logit * options_.repetition_penalty;
    candidates_.push_back({.logit = logit, .id = static_cast<std::int32_t>(id)});
  }
  if (candidates_.empty())
    throw Error("logits: none of " + std::to_string(logits.size()) + " is a number above -infinity");
}

namespace {

// Likelier first, the lower id of equal ones.
const auto kByLogit = [](const auto& a, const auto& b) { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; };

}  // namespace

void Sampler::keep_top_k() {
  const auto k = static_cast<std::size_t>(options_.top_k);
  if (k == 0 || k >= candidates_.size()) return;
  std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(k), candidates_.end(),
                   kByLogit);
  candidates_.resize(k);
  std::sort(candidates_.begin(), candidates_.end(), kByLogit);  // nth_element's order is the library's
}

void Sampler::weigh() {
  double largest = kMinusInfinity;
  for (const Candidate& c : candidates_) largest = std::max(largest, c.logit);
  for (Candidate& c : candidates_) c.weight = exp_negative((c.logit - largest) / options_.temperature);
}

// The likeliest token has weight 1.
void Sampler::keep_min_p() {
  std::erase_if(candidates_, [&](const Candidate& c) { return c.weight < options_.min_p; });
}

// The likeliest tokens come off a heap one by one until they have enough.
void Sampler::keep_top_p() {
  if (options_.top_p == 1) return;
  double enough = 0;
  for (const Candidate& c : candidates_) enough += c.weight;
  enough *= options_.top_p;
  const auto is_less_likely = [](const Candidate& a, const Candidate& b) { return kByLogit(b, a); };
  std::make_heap(candidates_.begin(), candidates_.end(), is_less_likely);
  auto end = candidates_.end();
  for (double sum = 0; end != candidates_.begin() && (sum < enough || end == candidates_.end());) {
    std::pop_heap(candidates_.begin(), end, is_less_likely);
    sum += (--end)->weight;
  }
  candidates_.erase(candidates_.begin(), end);
  std::reverse(candidates_.begin(), candidates_.end());  // the likeliest first
}

// [0, 1) with 53 bits.
double Sampler::next_uniform() {
  state_ += kSplitMixStep;
  return std::ldexp(static_cast<double>(split_mix(state_) >> 11), -53);
}

void penalize_repetition(std::span<float> scores, std::span<const std::int32_t> tokens, double penalty) {
  const std::vector<bool> is_repeated = ids_among(tokens, scores.size());
  for (std::size_t id = 0; id < scores.size(); ++id) {
    if (!is_repeated[id] || std::isinf(scores[id])) continue;
    const double score = scores[id];
    scores[id] = static_cast<float>(score > 0 ? score / penalty : score * penalty);
  }
}

std::vector<float> log_softmax(std::span<const float> logits) {
  double largest = kMinusInfinity, sum = 0;
  for (const float logit : logits) largest = std::max<double>(largest, logit);
  for (const float logit : logits) sum += exp_negative(logit - largest);
  const double log_sum = largest + std::log(sum);
  std::vector<float> result;
  result.reserve(logits.size());
  for (const float logit : logits) result.push_back(static_cast<float>(logit - log_sum));
  return result;
}

}  // namespace octavo
