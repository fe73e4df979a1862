// What a calibration decides by itself, and which options it refuses.
#include "tests/support/outliers.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"

#include "octavo/calibration.h"
#include "octavo/error.h"

#include <algorithm>
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

TEST_CASE("a bound on lost points gives extra bits until the task loses no more, with labels by its score") {
  TinyBert bert({.layers = 2, .gate = false, .pooler = true});
  for (const int layer : {0, 1})
    for (int times = 0; times < 2; ++times) plant_neuron_outlier(bert, layer);
  bert.add("classifier.weight", {40, 48}, 1.0f);
  bert.add("classifier.bias", {40}, 0.01f);
  const Model model = bert.model();
  const TokenBatch batch = texts(120);
  Workspace workspace({.threads = 1});
  const std::vector<std::int64_t> own = task_answers(Engine(model), batch, workspace).choices;
  const std::vector<SampleLabel> labels(own.begin(), own.end());  // by which float32 is always right
  const auto made = [&](double most, std::span<const SampleLabel> right) {
    Calibrator calibrator(model, {.activations = {.channel_splits = 0}, .precision = {.max_drop = most}});
    calibrator.observe(batch, right, workspace);
    return calibrator.quantize();
  };
  const auto drop = [&](const Model& quantized) {
    TaskComparison comparison;
    comparison.add(Engine(model), batch, workspace, labels);
    return comparison.closeness(Engine(quantized), workspace).drop();
  };
  const auto lost_by = [](const PrecisionChoice& choice) {
    return std::ranges::find(choice.frontier, choice.extra_bits.size(), &FrontierPoint::extra_bits)->task->drop();
  };
  const PrecisionChoice plain = made(100.0, labels).precision.value();
  CHECK(plain.extra_bits.empty());
  const double lost = lost_by(plain);
  REQUIRE(lost > 0.0);
  const Calibrated closer = made(0.5 * lost, labels), agreeing = made(0.5 * lost, {});
  REQUIRE(closer.precision.value().reached);
  CHECK(!closer.precision->extra_bits.empty());
  CHECK(drop(closer.model) <= 0.5 * lost);
  CHECK(agreeing.precision->extra_bits == closer.precision->extra_bits);  // here agreeing is being right
  CHECK(!agreeing.precision->frontier.at(0).task.value().found);
  CHECK(!closer.options.precision.max_drop);

  const PrecisionChoice least = made(0.0, labels).precision.value();
  REQUIRE(!least.reached);
  for (const FrontierPoint& point : least.frontier)
    CHECK((point.task->drop() > lost_by(least) || point.extra_bits >= least.extra_bits.size()));

  Calibrator calibrator(model);
  CHECK_THROWS_WITH(calibrator.observe(batch, std::span(labels).first(3), workspace),
                    Catch::Contains("3 labels of 120 samples"));
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
      {{.precision = {.max_drop = 101.0}}, "precision.max_drop is 101.0, expected"},
      {{.precision = {.target_cosine = 0.99, .max_drop = 1.0}}, "which excludes precision.target_cosine"},
      {{.precision = {.max_drop = 1.0}}, "which is of a task, but"},
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
      {[](auto& o) { o.precision.max_drop = 0.0; }, "precision.max_drop is 0.0"},
  };
  for (const auto& [change, message] : cases) {
    CalibrationOptions options = CalibrationOptions::quantizable_transformers();
    CHECK(refusal(options) == "no Error");
    change(options);
    CHECK_THAT(refusal(options), Catch::Contains(std::string(message) + ", which has no effect in the setting of"));
  }
}

}  // namespace octavo::test
