// Tests of sampling and of stop strings.
#include "octavo/sampling.h"

#include "tests/support/tokenizer_support.h"

#include <cmath>
#include <limits>
#include <map>

using octavo::Sampler;
using octavo::SamplingOptions;
using octavo::StopStrings;
using octavo::test::refusal;

namespace {

using Logits = std::vector<float>;
using Ids = std::vector<std::int32_t>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// How often each id is chosen in 20000 draws, as a share.
std::map<std::int32_t, double> shares(const SamplingOptions& options, const Logits& logits, const Ids& tokens = {}) {
  constexpr int kDraws = 20000;
  Sampler sampler(options);
  std::map<std::int32_t, double> result;
  for (int i = 0; i < kDraws; ++i) result[sampler.sample(logits, tokens)] += 1.0 / kDraws;
  return result;
}

Ids draws(const SamplingOptions& options, const Logits& logits, int count) {
  Sampler sampler(options);
  Ids result;
  for (int i = 0; i < count; ++i) result.push_back(sampler.sample(logits, {}));
  return result;
}

/// Logits with these probabilities.
Logits logs(const std::vector<double>& probabilities) {
  Logits result;
  for (const double p : probabilities) result.push_back(static_cast<float>(std::log(p) + 3));
  return result;
}

std::string refusal_of(const SamplingOptions& options) {
  return refusal([&] { Sampler sampler(options); });
}

/// What is shown of a text in pieces, with | after each.
std::string shown(const std::vector<std::string>& stops, const std::vector<std::string>& pieces) {
  StopStrings stop(stops);
  std::string result;
  for (const std::string& piece : pieces) result += stop.push(piece) + "|";
  return result + (stop.stopped() ? "stopped" : stop.finish());
}

}  // namespace

TEST_CASE("without a temperature the likeliest token is chosen, of equal ones the lowest id") {
  Sampler greedy;
  CHECK(greedy.sample(Logits{1, 3, 2}, {}) == 1);
  CHECK(greedy.sample(Logits{-1, 2, 2, 2}, {}) == 1);
  CHECK(greedy.sample(Logits{-kInfinity, -5}, {}) == 1);
  CHECK(Sampler({.temperature = 0, .top_k = 3, .top_p = 0.1, .seed = 9}).sample(Logits{1, 3, 2}, {}) == 1);
}

TEST_CASE("tokens are drawn with the probabilities of their logits over the temperature") {
  const Logits logits = logs({0.5, 0.3, 0.2});
  auto share = shares({.temperature = 1}, logits);
  CHECK(share[0] == Approx(0.5).margin(0.015));
  CHECK(share[1] == Approx(0.3).margin(0.015));
  share = shares({.temperature = 0.5}, logits);  // 25 : 9 : 4
  CHECK(share[0] == Approx(25.0 / 38).margin(0.015));
  CHECK(share[2] == Approx(4.0 / 38).margin(0.015));
  share = shares({.temperature = 1e6}, logits);
  CHECK(share[2] == Approx(1.0 / 3).margin(0.015));
  CHECK(shares({.temperature = 1e-3}, logits).size() == 1);
}

TEST_CASE("top-k keeps the k likeliest, of equal ones the lower ids") {
  CHECK(shares({.temperature = 1, .top_k = 1}, Logits{0, 2, 1}).size() == 1);
  auto share = shares({.temperature = 1, .top_k = 2}, logs({0.2, 0.5, 0.3}));
  CHECK(share.count(0) == 0);
  CHECK(share[1] == Approx(0.625).margin(0.015));
  share = shares({.temperature = 1, .top_k = 2}, Logits{1, 1, 1, 1});
  CHECK(share.size() == 2);
  CHECK(share.count(0) + share.count(1) == 2);
  CHECK(shares({.temperature = 1, .top_k = 9}, Logits{1, 1}).size() == 2);
}

TEST_CASE("top-p keeps the likeliest that together have the probability") {
  const Logits logits = logs({0.1, 0.5, 0.15, 0.25});
  CHECK(shares({.temperature = 1, .top_p = 0.4}, logits).size() == 1);
  CHECK(shares({.temperature = 1, .top_p = 0.6}, logits).size() == 2);
  auto share = shares({.temperature = 1, .top_p = 0.8}, logits);
  CHECK(share.size() == 3);
  CHECK(share.count(0) == 0);
  CHECK(share[2] == Approx(0.15 / 0.9).margin(0.015));
  CHECK(shares({.temperature = 1, .top_p = 1e-9}, Logits{1, 1, 1}).size() == 1);
  CHECK(shares({.temperature = 1, .top_p = 0.5}, Logits{1, 1, 1, 1}).count(1) == 1);
  CHECK(shares({.temperature = 1, .top_p = 0.5}, Logits{1, 1, 1, 1}).count(2) == 0);
  CHECK(shares({.temperature = 1, .top_k = 2, .top_p = 0.6}, logits).size() == 1);  // 2/3 of the two that are left
}

TEST_CASE("min-p keeps what is likely beside the likeliest") {
  const Logits logits = logs({0.5, 0.26, 0.24});
  CHECK(shares({.temperature = 1, .min_p = 0.5}, logits).size() == 2);
  CHECK(shares({.temperature = 1, .min_p = 0.6}, logits).size() == 1);
  CHECK(shares({.temperature = 1, .min_p = 1}, Logits{1, 1, 0}).size() == 2);
}

TEST_CASE("the repetition penalty divides positive and multiplies negative logits of tokens so far, once each") {
  Sampler sampler({.repetition_penalty = 2});
  CHECK(sampler.sample(Logits{3, 2}, Ids{0}) == 1);
  CHECK(sampler.sample(Logits{3, 1}, Ids{0, 0, 0}) == 0);
  CHECK(sampler.sample(Logits{-1, -1.5}, Ids{0}) == 1);
  CHECK(sampler.sample(Logits{-1, -2.5}, Ids{0}) == 0);
  CHECK(sampler.sample(Logits{3, 2}, Ids{1}) == 0);
}

TEST_CASE("a seed gives the same tokens on every machine, another seed others") {
  const Logits logits(10, 0.25f);
  const SamplingOptions options = {.temperature = 0.7, .top_p = 0.95, .seed = 1};
  CHECK(draws(options, logits, 16) == Ids{5, 7, 9, 4, 4, 7, 8, 5, 2, 7, 4, 6, 4, 5, 4, 1});
  CHECK(draws(options, logits, 16) == draws(options, logits, 16));
  SamplingOptions other = options;
  other.seed = 2;
  CHECK(draws(options, logits, 16) != draws(other, logits, 16));
}

TEST_CASE("options out of their range and logits that are no numbers are Errors") {
  CHECK(refusal_of({.temperature = -1}) == "temperature is -1, expected 0 or a number above");
  CHECK(refusal_of({.temperature = std::nan("")}) == "temperature is nan, expected 0 or a number above");
  CHECK(refusal_of({.temperature = kInfinity}) == "temperature is inf, expected 0 or a number above");
  CHECK(refusal_of({.top_k = -1}) == "top-k is -1, expected 0 or a number of tokens");
  CHECK(refusal_of({.top_p = 0}) == "top-p is 0, expected a number above 0 and at most 1");
  CHECK(refusal_of({.top_p = 1.5}) == "top-p is 1.5, expected a number above 0 and at most 1");
  CHECK(refusal_of({.min_p = -0.5}) == "min-p is -0.5, expected a number from 0 to 1");
  CHECK(refusal_of({.min_p = 2}) == "min-p is 2, expected a number from 0 to 1");
  CHECK(refusal_of({.repetition_penalty = 0}) == "repetition penalty is 0, expected a number above 0");
  Sampler sampler;
  CHECK(refusal([&] { sampler.sample(Logits{1, std::nanf("")}, {}); }) == "logit of token 1 is nan, expected a number");
  CHECK(refusal([&] { sampler.sample(Logits{kInfinity}, {}); }) == "logit of token 0 is inf, expected a number");
  CHECK(refusal([&] {
          sampler.sample(Logits{-kInfinity, -kInfinity}, {});
        }) == "logits: none of 2 is a number above -infinity");
  CHECK(refusal([&] { sampler.sample(Logits{}, {}); }) == "logits: none of 0 is a number above -infinity");
  CHECK(refusal([&] {
          sampler.sample(Logits{1, 2}, Ids{2});
        }) == "token so far is 2, expected 0 to 2 - 1 for so many logits");
}

TEST_CASE("extreme logits do not overflow") {
  CHECK(shares({.temperature = 1}, Logits{3e38f, -3e38f}).count(1) == 0);
  CHECK(shares({.temperature = 1e-300}, Logits{1, 2}).count(0) == 0);
  CHECK(shares({.temperature = 1e300}, Logits{-3e38f, 3e38f}).size() == 2);
}

TEST_CASE("log_softmax is the logarithm of the softmax") {
  const Logits result = octavo::log_softmax(logs({0.5, 0.3, 0.2}));
  CHECK(result[0] == Approx(std::log(0.5)));
  CHECK(result[2] == Approx(std::log(0.2)));
  CHECK(octavo::log_softmax(Logits{-kInfinity, 1e30f})[1] == 0);
}

TEST_CASE("text stops before a stop string, however it is cut into pieces") {
  CHECK(shown({}, {"ab", "c"}) == "ab|c|");
  CHECK(shown({"END"}, {"some END more"}) == "some |stopped");
  CHECK(shown({"END"}, {"some E", "ND", "more"}) == "some |||stopped");
  CHECK(shown({"END"}, {"E", "N", "X", "E"}) == "||ENX||E");
  CHECK(shown({"aab"}, {"a", "a", "a", "b"}) == "||a||stopped");
  CHECK(shown({"\n\n"}, {"a\n", "b\n", "\nc"}) == "a|\nb||stopped");
  CHECK(shown({"x"}, {"x"}) == "|stopped");
}

TEST_CASE("of several stop strings the first to be complete counts, of those the longest") {
  CHECK(shown({"bcd", "b"}, {"abcd"}) == "a|stopped");
  CHECK(shown({"cd", "abcd"}, {"xabcd"}) == "x|stopped");
  CHECK(shown({"cd", "abcd"}, {"xabc", "d"}) == "x||stopped");
  CHECK(shown({"abcd", "bx"}, {"ab", "x"}) == "|a|stopped");
  const std::string text = "a mat and a map of many maths";
  for (const std::vector<std::string>& stops :
       {std::vector<std::string>{"map o", "p"}, {"math", "maths", "many m"}, {"zz"}, {"an", "nd a"}}) {
    const std::string whole = shown(stops, {text});
    std::string single = shown(stops, [&] {
      std::vector<std::string> pieces;
      for (const char c : text) pieces.emplace_back(1, c);
      return pieces;
    }());
    std::erase(single, '|');
    std::string expected = whole;
    std::erase(expected, '|');
    CHECK(single == expected);
  }
}

TEST_CASE("an empty stop string is an Error") {
  CHECK(refusal([] { StopStrings({"a", ""}); }) == "stop string is empty, expected text");
}
