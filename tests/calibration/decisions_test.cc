// What a calibration decides by itself, and which options it refuses.
#include "tests/support/outliers.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"

#include "octavo/calibration.h"
#include "octavo/error.h"

#include <random>
#include <utility>
#include <vector>

namespace octavo::test {
namespace {

/// Texts that begin with [CLS], as bert_with_sink() needs, and are equally long.
TokenBatch texts(int count) {
  std::mt19937 random(7);
  TokenBatch batch;
  for (int i = 0; i < count; ++i) {
    Tokens text{.ids = {2}};
    while (text.ids.size() < 24) text.ids.push_back(static_cast<std::int32_t>(random() % 50));
    batch.sequences.push_back(std::move(text));
  }
  return batch;
}

Calibrator observed(const Model& model, const CalibrationOptions& options = {}, std::size_t batch_size = 40) {
  Calibrator calibrator(model, options);
  Workspace workspace({.threads = 1});
  TokenBatch batch;
  for (const Tokens& text : texts(40).sequences) {
    batch.sequences.push_back(text);
    if (batch.sequences.size() < batch_size) continue;
    calibrator.observe(batch, workspace);
    batch.sequences.clear();
  }
  return calibrator;
}

CalibrationOptions with(ProbabilityType type) { return {.activations = {.probabilities = type}}; }

std::string refusal(const CalibrationOptions& options) {
  try {
    Calibrator(tiny_model(), options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no Error";
}

template <typename T>
concept Quantizes = requires(T& calibrator) {
  calibrator.quantize();
};

}  // namespace

TEST_CASE("automatic probabilities have 16 bits beside an attention sink, 8 elsewhere, and the answer says why") {
  Calibrator sink = observed(bert_with_sink().model());
  const Calibrated wide = sink.quantize();
  const ProbabilityChoice choice = wide.probabilities.value();
  CHECK(choice.chosen == ProbabilityType::uint16);
  CHECK(choice.uint16_error < 0.85 * choice.uint8_error);
  CHECK(wide.options.activations.probabilities == ProbabilityType::uint16);
  const Calibrated asked = sink.quantize(with(ProbabilityType::uint16)),
                   bytes = sink.quantize(with(ProbabilityType::uint8));
  CHECK(wide.model.summary() == asked.model.summary());
  CHECK(wide.model.summary() != bytes.model.summary());
  CHECK(!asked.probabilities);

  Calibrator plain = observed(tiny_model());
  const Calibrated narrow = plain.quantize();
  CHECK(narrow.probabilities.value().chosen == ProbabilityType::uint8);
  CHECK(narrow.model.summary() == plain.quantize(with(ProbabilityType::uint8)).model.summary());

  const Calibrated clipped = observed(tiny_model({.gamma = -0.02})).quantize();  // which has but one type
  CHECK(!clipped.probabilities);
  CHECK(clipped.options.activations.probabilities == ProbabilityType::uint8);
}

TEST_CASE("decisions are measured on the first samples, whatever batches they came in") {
  const Model model = bert_with_sink().model();
  const ProbabilityChoice one = observed(model, {}, 1).quantize().probabilities.value(),
                          all = observed(model, {}, 40).quantize().probabilities.value();
  CHECK(one.uint8_error == Approx(all.uint8_error).epsilon(1e-3));
  CHECK(one.uint16_error == Approx(all.uint16_error).epsilon(1e-3));
}

TEST_CASE("a calibrator that others may hold too cannot be quantized from, since that changes it") {
  STATIC_REQUIRE(Quantizes<Calibrator>);
  STATIC_REQUIRE(!Quantizes<const Calibrator>);
}

TEST_CASE("options out of range, or of which one makes another meaningless, are refused by name") {
  const std::vector<std::pair<CalibrationOptions, const char*>> cases = {
      {{.ranges = {.method = RangeMethod::percentile, .percentile = 100.0}}, "ranges.percentile is 100.0, expected"},
      {{.ranges = {.percentile = 99.0}}, "ranges.percentile is 99.0, which has no effect beside minmax"},
      {{.activations = {.channel_splits = -1}}, "activations.channel_splits is -1, expected 0 or more"},
      {{.precision = {.target_cosine = 1.0}}, "precision.target_cosine is 1.0, expected"},
      {{.precision = {.extra_bits = {{"embeddings"}}, .target_cosine = 0.99}}, "which excludes precision.extra_bits"},
  };
  for (const auto& [options, message] : cases) CHECK_THAT(refusal(options), Catch::Contains(message));
  CHECK(refusal({}) == "no Error");
  CHECK_THROWS_WITH(observed(tiny_model()).quantize({.activations = {.channel_splits = -1}}),
                    Catch::Contains("channel_splits is -1"));
}

TEST_CASE("the paper's setting refuses every option that it leaves without effect") {
  using Change = void (*)(CalibrationOptions&);
  const std::vector<std::pair<Change, const char*>> cases = {
      {[](auto& o) { o.ranges.method = RangeMethod::minmax; }, "ranges.method is \"minmax\""},
      {[](auto& o) { o.ranges.percentile = 98.0; }, "ranges.percentile is 98.0"},
      {[](auto& o) { o.weights.scales = WeightScales::per_channel; }, "weights.scales is \"per-channel\""},
      {[](auto& o) { o.weights.rounding = WeightRounding::compensated; }, "weights.rounding is \"compensated\""},
      {[](auto& o) { o.weights.bias_correction = true; }, "weights.bias_correction is true"},
      {[](auto& o) { o.activations.equalize = EqualizeMethod::os_plus; }, "activations.equalize is \"os-plus\""},
      {[](auto& o) { o.activations.channel_splits = 3; }, "activations.channel_splits is 3"},
      {[](auto& o) { o.activations.probabilities = ProbabilityType::automatic; },
       "activations.probabilities is \"auto\""},
      {[](auto& o) { o.activations.residual = ResidualType::int16; }, "activations.residual is \"int16\""},
      {[](auto& o) { o.activations.head = HeadType::int8; }, "activations.head is \"int8\""},
      {[](auto& o) { o.precision.extra_bits = {{"embeddings"}}; }, "precision.extra_bits is 1"},
      {[](auto& o) { o.precision.target_cosine = 0.9; }, "precision.target_cosine is 0.9"},
  };
  for (const auto& [change, message] : cases) {
    CalibrationOptions options = CalibrationOptions::quantizable_transformers();
    CHECK(refusal(options) == "no Error");
    change(options);
    CHECK_THAT(refusal(options), Catch::Contains(std::string(message) + ", which has no effect in the setting of"));
  }
}

}  // namespace octavo::test
