// Calibration as a whole: what it chooses brings models with outliers closer to float32, and it says when data runs
// short.
#include "octavo/calibration.h"

#include "graph/model_data.h"
#include "tests/support/compare.h"
#include "tests/support/outliers.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace octavo::test {
namespace {

constexpr CalibrationOptions kPlain = {
    .weights = {.rounding = WeightRounding::nearest, .bias_correction = false},
    .activations = {.equalize = EqualizeMethod::none, .channel_splits = 0, .probabilities = ProbabilityType::uint8}};

/// Three columns of every LayerNorm that feeds products are a hundred times larger; the weights that read them as much
/// smaller, those of gates too, so that the residual stream alone changes what the model computes.
Model model_with_norm_outliers() {
  TinyBert bert;
  for (auto& [name, tensor] : bert.tensors) {
    const std::span<float> values = tensor.writable<float>();
    const bool norm = name.find("LayerNorm.weight") != std::string::npos;
    const bool reads = name.find("intermediate.dense.weight") != std::string::npos ||
                       (name.find("attention.self.") != std::string::npos && name.ends_with(".weight"));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const std::size_t column = name.find("alpha.") == std::string::npos
                                     ? i % 48
                                     : i + 16 * static_cast<std::size_t>(name[name.find("alpha.") + 6] - '0');
      if (column != 3 && column != 20 && column != 33) continue;
      if (norm) values[i] *= 100.0f;
      if (reads) values[i] /= 100.0f;
    }
  }
  return bert.model();
}

/// One neuron of every layer reaches far beyond the others.
Model model_with_neuron_outliers(const std::string& activation) {
  TinyBertOptions options;
  options.activation = activation;
  TinyBert bert(options);
  for (const int layer : {0, 1}) plant_neuron_outlier(bert, layer);
  return bert.model();
}

Calibrator observed(const Model& model, const CalibrationOptions& options, int batches = 4) {
  Calibrator calibrator(model, options);
  Workspace workspace({.threads = 1});
  for (int i = 1; i <= batches; ++i) calibrator.observe(random_batch(16, 40, 50, static_cast<unsigned>(i)), workspace);
  return calibrator;
}

/// What is missing from 1 in the mean cosine of the last hidden states, on texts that calibration has not seen.
double distance(const Model& model, const Model& integer) {
  const TokenBatch batch = random_batch(32, 40, 50, 99);
  Workspace workspace({.threads = 1});
  return 1.0 - mean_row_cosine(Engine(integer).run(batch, workspace), Engine(model).run(batch, workspace));
}

double distance(const Model& model, const CalibrationOptions& options) {
  return distance(model, observed(model, options).quantize().model);
}

CalibrationOptions with(CalibrationOptions options, EqualizeMethod method) {
  options.activations.equalize = method;
  return options;
}

}  // namespace

TEST_CASE("every solver brings a gated model with LayerNorm outliers closer to float32") {
  const Model model = model_with_norm_outliers();
  const double without = distance(model, kPlain);
  for (const EqualizeMethod method :
       {EqualizeMethod::smoothquant, EqualizeMethod::os_plus, EqualizeMethod::repq, EqualizeMethod::power_of_two}) {
    INFO("method " << static_cast<int>(method));
    CHECK(distance(model, with(kPlain, method)) < 0.2 * without);
  }
}

TEST_CASE(
    "channel splits are chosen for outlier neurons of GELU and of ReLU, survive the file, and every instruction set "
    "agrees") {
  for (const char* activation : {"gelu", "relu"}) {
    INFO(activation);
    const Model model = model_with_neuron_outliers(activation);
    CalibrationOptions options = kPlain;
    options.activations.channel_splits = 32;
    const Model made = observed(model, options).quantize().model;
    CHECK(distance(model, made) < 0.7 * distance(model, kPlain));
    CHECK(nlohmann::json::parse(data_of(made).provenance).at("added_columns").get<int>() > 4);
    TemporaryDirectory directory;
    made.save(directory.path() / "m.octavo");
    const Model loaded = Model::from_file(directory.path() / "m.octavo");
    Workspace workspace({.threads = 1});
    const TokenBatch batch = random_batch(8, 40, 50);
    const Tensor expected = Engine(made, {.isa = "scalar"}).run(batch, workspace);
    for (const std::string& isa : available_isas()) {
      CHECK(std::ranges::equal(Engine(loaded, {.isa = isa}).run(batch, workspace).as<float>(), expected.as<float>()));
    }
  }
}

TEST_CASE("threads that share the columns of a short batch agree with one, whatever the number of panels") {
  for (const int intermediate : {416, 448, 480, 1568}) {
    TinyBertOptions options;
    options.intermediate_size = intermediate;
    const Model model = quantized_tiny_model(options, kPlain);
    const TokenBatch batch = random_batch(2, 40, 50);
    Workspace one({.threads = 1});
    const Tensor expected = Engine(model).run(batch, one);
    for (const int threads : {2, 3, 7}) {
      INFO(intermediate << " columns, " << threads << " threads");
      Workspace several({.threads = threads});
      CHECK(std::ranges::equal(Engine(model).run(batch, several).as<float>(), expected.as<float>()));
    }
  }
}

TEST_CASE("compensated rounding brings weights per tensor closer to float32") {
  CalibrationOptions options = kPlain;
  options.weights.scales = WeightScales::per_tensor;
  const Model model = model_with_neuron_outliers("gelu");
  const double nearest = distance(model, options);
  options.weights.rounding = WeightRounding::compensated;
  CHECK(distance(model, options) < nearest);
}

TEST_CASE("one observation serves options that need no more than it kept, with the same result as their own") {
  const Model model = tiny_model();
  Calibrator all = observed(model, {});
  const Model plain = observed(model, kPlain).quantize().model, same = all.quantize(kPlain).model;
  Workspace workspace({.threads = 1});
  const TokenBatch batch = random_batch(8, 40, 50);
  CHECK(std::ranges::equal(Engine(plain).run(batch, workspace).as<float>(),
                           Engine(same).run(batch, workspace).as<float>()));
  CHECK_THROWS_AS(observed(model, kPlain).quantize({}), Error);
  CHECK_THROWS_AS(all.quantize({.ranges = {.method = RangeMethod::running_minmax}}), Error);
}

TEST_CASE("ranges that are chosen by the end of the block are never worse than min-max on what was held out") {
  for (const Model& model : {model_with_norm_outliers(), model_with_neuron_outliers("gelu")}) {
    CalibrationOptions options;
    const double minmax = distance(model, options);
    options.ranges.method = RangeMethod::automatic;
    Calibrator calibrator = observed(model, options);
    CHECK(calibrator.samples() == 60);  // 4 of 64 held out
    CHECK(distance(model, calibrator.quantize().model) < 1.5 * minmax);
  }
  CalibrationOptions options;
  options.ranges.method = RangeMethod::automatic;
  Calibrator calibrator(tiny_model(), options);
  Workspace workspace({.threads = 1});
  for (const Tokens& sequence : random_batch(40, 40, 50).sequences) calibrator.observe({{sequence}}, workspace);
  CHECK(calibrator.samples() == 38);
  calibrator.quantize();
}

TEST_CASE("batches are how calibration runs, not what it finds: the same model in any batches, on any threads") {
  const Model model = model_with_neuron_outliers("gelu");
  const std::vector<Tokens> samples = random_batch(75, 40, 50).sequences;
  const TokenBatch probe = random_batch(8, 40, 50, 99);
  Workspace workspace({.threads = 1});
  const auto made = [&](RangeMethod method, std::size_t batch, int threads) {
    Calibrator calibrator(model, {.ranges = {.method = method}});
    Workspace own({.threads = threads});
    for (std::size_t first = 0; first < samples.size(); first += batch) {
      const auto end = samples.begin() + static_cast<std::ptrdiff_t>(std::min(first + batch, samples.size()));
      calibrator.observe(TokenBatch{{samples.begin() + static_cast<std::ptrdiff_t>(first), end}}, own);
    }
    CHECK(calibrator.convergence().samples_before == 32);
    return calibrator.quantize().model;
  };
  for (const RangeMethod method : {RangeMethod::minmax, RangeMethod::running_minmax, RangeMethod::mse}) {
    const Model one = made(method, 1, 1);
    for (const auto& [batch, threads] : {std::pair{32, 1}, {7, 3}, {75, 2}}) {
      INFO("batches of " << batch);
      const Model other = made(method, static_cast<std::size_t>(batch), threads);
      CHECK(mean_row_cosine(Engine(one).run(probe, workspace), Engine(other).run(probe, workspace)) > 0.9999);
    }
  }
}

TEST_CASE("a value that float32 cannot hold stops calibration, which names it and the sample") {
  TinyBert bert;
  for (float& x : bert.tensors.at("encoder.layer.1.intermediate.dense.weight").writable<float>()) x = 3e38f;
  Calibrator calibrator(bert.model());
  Workspace workspace({.threads = 1});
  CHECK_THROWS_WITH(calibrator.observe(random_batch(3, 20, 50), workspace),
                    Catch::Contains("encoder.layer.1.intermediate.dense is ") && Catch::Contains("in sample 1"));
}

TEST_CASE("convergence compares the ranges with those after half of the samples or somewhat fewer") {
  const Model model = tiny_model();
  CHECK(observed(model, kPlain, 1).convergence().samples_before == 0);
  const Convergence few = observed(model, kPlain, 2).convergence(), many = observed(model, kPlain, 7).convergence();
  CHECK(few.samples_before == 16);
  CHECK(many.samples_before == 32);
  CHECK(few.changed > 0);
  CHECK(few.changed <= few.values);
  CHECK(few.largest_change > 0.01);
  CHECK(!few.most_changed.empty());
  Calibrator same(model, kPlain);
  Workspace workspace({.threads = 1});
  for (int i = 0; i < 2; ++i) same.observe(random_batch(16, 40, 50), workspace);
  CHECK(same.convergence().changed == 0);
}

TEST_CASE(
    "what goes beyond the observed ranges is the more, the fewer samples were observed, and is not observed itself") {
  const Model model = tiny_model();
  const TokenBatch others = random_batch(16, 40, 50, 77);
  Workspace workspace({.threads = 1});
  const Calibrator many = observed(model, kPlain, 7);
  Calibrator few(model, kPlain);
  few.observe(random_batch(2, 3, 50), workspace);
  CHECK(many.excess(others, workspace) < 0.05);
  CHECK(few.excess(others, workspace) > 0.2);
  CHECK(few.excess(others, workspace) <= 1.0);
  CHECK(few.samples() == 2);
  few.observe(others, workspace);
  CHECK(few.excess(others, workspace) == 0.0);
  few.forget();
  CHECK(few.samples() == 0);
  few.observe(others, workspace);
  CHECK(few.excess(others, workspace) == 0.0);
}

TEST_CASE("a report is kept in the model file beside how the model was calibrated") {
  const Model model = quantized_tiny_model().with_report(R"({"cosine_mean":0.5})");
  TemporaryDirectory directory;
  model.save(directory.path() / "m.octavo");
  const auto summary = nlohmann::json::parse(Model::from_file(directory.path() / "m.octavo").summary_json());
  CHECK(summary.at("calibration").at("report").at("cosine_mean") == 0.5);
  CHECK(summary.at("calibration").at("samples") == 64);
  CHECK_THROWS_AS(model.with_report("[1]"), Error);
  CHECK_THROWS_AS(tiny_model().with_report("{}"), Error);
}

}  // namespace octavo::test
