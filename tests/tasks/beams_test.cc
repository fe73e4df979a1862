// Tests of beam search against examples by hand.
#include "tests/support/tokenizer_support.h"

#include "octavo/sampling.h"

#include <cmath>

using octavo::Beams;
using octavo::test::refusal;

namespace {

using Ids = std::vector<std::int32_t>;
using Continuations = std::vector<Beams::Continuation>;

constexpr std::int32_t kEnd = 2;

/// Log-probabilities of the ids of each beam, one beam after the other.
std::vector<float> logs(const std::vector<double>& probabilities) {
  std::vector<float> result;
  for (const double p : probabilities) result.push_back(static_cast<float>(std::log(p)));
  return result;
}

}  // namespace

TEST_CASE("the likeliest continuations of all beams go on") {
  Beams beams({.beams = 2});
  CHECK(beams.live() == 1);
  CHECK(beams.step(logs({0.5, 0.1, 0.4})) == Continuations{{0, 0}, {0, 2}});
  CHECK(beams.live() == 2);
  // 0.5 * {0.3, 0.3, 0.4} = {0.15, 0.15, 0.2}, 0.4 * {0.05, 0.9, 0.05} = {0.02, 0.36, 0.02}
  CHECK(beams.step(logs({0.3, 0.3, 0.4, 0.05, 0.9, 0.05})) == Continuations{{1, 1}, {0, 2}});
  CHECK_FALSE(beams.done());
  const auto hypotheses = beams.finish();
  REQUIRE(hypotheses.size() == 2);
  CHECK(hypotheses[0].tokens == Ids{2, 1});
  CHECK(hypotheses[0].score == Approx(std::log(0.36) / 2));
  CHECK(hypotheses[1].tokens == Ids{0, 2});
  CHECK(hypotheses[1].score == Approx(std::log(0.2) / 2));
}

TEST_CASE("of equal continuations the lower beam and the lower id go on") {
  Beams beams({.beams = 2});
  CHECK(beams.step(logs({0.25, 0.25, 0.25, 0.25})) == Continuations{{0, 0}, {0, 1}});
  CHECK(beams.step(logs({0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25})) == Continuations{{0, 0}, {0, 1}});
}

TEST_CASE("an end token among the first becomes a hypothesis and leaves its place to the next continuation") {
  Beams beams({.beams = 2, .end_tokens = {kEnd}});
  CHECK(beams.step(logs({0.2, 0.3, 0.5})) == Continuations{{0, 1}, {0, 0}});
  CHECK_FALSE(beams.done());
  // 0.3 * {0.6, 0.1, 0.3} = {0.18, 0.03, 0.09}, 0.2 * {0.1, 0.3, 0.6} = {0.02, 0.06, 0.12}
  CHECK(beams.step(logs({0.6, 0.1, 0.3, 0.1, 0.3, 0.6})) == Continuations{{0, 0}, {1, 1}});
  // Two hypotheses: [end] ln 0.5 = -0.693, [0 end] ln(0.12) / 2 = -1.06; the best beam has ln(0.18) / 2 = -0.857.
  CHECK_FALSE(beams.done());
  // 0.18 * 0.1 / 3 is below both: nothing can become better.
  CHECK(beams.step(logs({0.1, 0.08, 0.01, 0.01, 0.01, 0.01})) == Continuations{{0, 0}, {0, 1}});
  CHECK(beams.done());
  const auto hypotheses = beams.finish();
  REQUIRE(hypotheses.size() == 2);
  CHECK(hypotheses[0].tokens == Ids{kEnd});
  CHECK(hypotheses[0].score == Approx(std::log(0.5)));
  CHECK(hypotheses[1].tokens == Ids{0, kEnd});
  CHECK(hypotheses[1].score == Approx(std::log(0.12) / 2));
}

TEST_CASE("an end token behind the first beams is passed over") {
  Beams beams({.beams = 1, .end_tokens = {kEnd}});
  CHECK(beams.step(logs({0.6, 0.1, 0.3})) == Continuations{{0, 0}});
  CHECK(beams.finish()[0].tokens == Ids{0});
  CHECK(beams.finish().size() == 1);
}

TEST_CASE("one beam is greedy search") {
  Beams beams({.beams = 1, .end_tokens = {kEnd}});
  CHECK(beams.step(logs({0.3, 0.6, 0.1})) == Continuations{{0, 1}});
  CHECK(beams.step(logs({0.2, 0.1, 0.7})) == Continuations{{0, 0}});
  CHECK(beams.done());
  CHECK(beams.finish()[0].tokens == Ids{1, kEnd});
}

TEST_CASE("the length penalty decides between short and long hypotheses") {
  const auto best = [](double penalty) {
    Beams beams({.beams = 2, .length_penalty = penalty, .end_tokens = {kEnd}});
    beams.step(logs({0.5, 0.1, 0.4}));                 // [end] ln 0.4 = -0.92
    beams.step(logs({0.1, 0.2, 0.7, 0.1, 0.2, 0.7}));  // [0 end] ln 0.35 = -1.05, over 2 = -0.52
    return beams.finish()[0].tokens;
  };
  CHECK(best(0) == Ids{kEnd});
  CHECK(best(1) == Ids{0, kEnd});
  CHECK(best(2) == Ids{0, kEnd});
}

TEST_CASE("early stopping ends with as many hypotheses as beams") {
  const auto done = [](bool early_stopping) {
    Beams beams({.beams = 2, .early_stopping = early_stopping, .end_tokens = {2, 3}});
    beams.step(logs({0.5, 0.05, 0.4, 0.05}));  // [2] ln 0.4 = -0.92
    CHECK_FALSE(beams.done());
    // [0 2] ln(0.5 * 0.8) / 2 = -0.46, which is better than the worst hypothesis: so may be what follows.
    beams.step(logs({0.1, 0.05, 0.8, 0.05, 0.25, 0.25, 0.25, 0.25}));
    return beams.done();
  };
  CHECK(done(true));
  CHECK_FALSE(done(false));
}

TEST_CASE("search is done when no beam is left") {
  Beams beams({.beams = 2, .end_tokens = {0, 1}});
  CHECK(beams.step(logs({0.5, 0.5})).empty());
  CHECK(beams.live() == 0);
  CHECK(beams.done());
  CHECK(beams.finish().size() == 2);
}

TEST_CASE("beams that make no sense are Errors") {
  CHECK(refusal([] { Beams({.beams = 0}); }) == "beams are 0, expected at least 1");
  CHECK(refusal([] { Beams({.length_penalty = std::nan("")}); }) == "length penalty is nan, expected a number");
  Beams beams({.beams = 2});
  beams.step(logs({0.5, 0.5}));
  CHECK(refusal([&] {
          beams.step(logs({0.5, 0.25, 0.25}));
        }) == "log-probabilities: there are 3, expected as many for each of 2 live beams");
  CHECK(refusal([&] { beams.step({}); }) ==
        "log-probabilities: there are 0, expected as many for each of 2 live beams");
  const std::vector<float> nan = {0, std::nanf("")};
  CHECK(refusal([&] { Beams({.beams = 1}).step(nan); }) == "log-probability of token 1 is NaN, expected a number");
}
