// analyze(): its figures against direct formulas, and that it tells outliers, zeros and fragile values from harmless
// ones.
#include "octavo/analysis.h"

#include "analysis/analysis_statistics.h"
#include "calibration/simulated.h"
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

#include <cmath>
#include <random>

namespace octavo::test {
namespace {

Analysis analysis_of(const Model& model, const AnalysisOptions& options = {}) {
  Workspace workspace({.threads = 2});
  const std::vector<TokenBatch> batches = {random_batch(12, 30, 50, 5), random_batch(9, 30, 50, 6)};
  return analyze(model, batches, workspace, options);
}

const ValueAnalysis& value(const Analysis& analysis, const std::string& name) {
  const auto found = std::ranges::find(analysis.values, name, &ValueAnalysis::name);
  REQUIRE(found != analysis.values.end());
  return *found;
}

}  // namespace

TEST_CASE("kurtosis is the fourth moment over the squared sample variance, with the paper's 1e-6, and not the excess") {
  const std::vector<float> values = {1.0f, 2.0f, 3.0f, 4.0f, 10.0f};
  // mean 4; squares 9 4 1 0 36, sum 50, variance 12.5; fourth powers 81 16 1 0 1296, mean 278.8
  CHECK(kurtosis(values) == Approx(278.8 / (12.5 * 12.5 + 1e-6)).epsilon(1e-12));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> gaussian(200000);
  for (float& x : gaussian) x = normal(random);
  CHECK(kurtosis(gaussian) == Approx(3.0).margin(0.05));
  gaussian[7] = 100.0f;
  CHECK(kurtosis(gaussian) > 400.0);
}

TEST_CASE("the inf-norm of a value is the mean over sequences of their largest magnitude, not the largest of all") {
  OutlierMeter meter;
  meter.add_sequence(std::vector<float>{1.0f, -8.0f});
  meter.add_sequence(std::vector<float>{2.0f, 0.5f});
  CHECK(meter.inf_norm() == 5.0);
  CHECK(meter.low() == -8.0);
  CHECK(meter.high() == 2.0);
}

TEST_CASE("SQNR and cosine of a value are those of the differences that were added") {
  ErrorMeter meter;
  meter.add(std::vector<float>{3.0f, 4.0f}, std::vector<float>{3.0f, 3.5f}, 2);
  CHECK(meter.sqnr() == Approx(10.0 * std::log10(25.0 / 0.25)));
  CHECK(meter.cosine() == Approx((9.0 + 14.0) / (5.0 * std::hypot(3.0, 3.5))));
  ErrorMeter same;
  same.add(std::vector<float>{1.0f, 2.0f}, std::vector<float>{1.0f, 2.0f}, 2);
  CHECK(same.sqnr() == 200.0);
}

TEST_CASE("an analysis has every quantizer of the paper, with the FFN output as its inf-norm") {
  const Analysis analysis = analysis_of(tiny_model());
  CHECK(analysis.sequences == 21);
  CHECK(analysis.values.size() == 2 * 13 + 3);  // 13 of each layer, and two sums and the LayerNorm of the embeddings
  double largest = 0.0;
  for (const ValueAnalysis& each : analysis.values) {
    if (each.kind == "FFN output") largest = std::max(largest, each.inf_norm);
  }
  CHECK(analysis.max_inf_norm == largest);
  CHECK(std::ranges::count_if(analysis.values, &ValueAnalysis::in_kurtosis) == 4);
  CHECK(analysis.attention.size() == 2);
  CHECK(analysis.attention[0].row_sum == Approx(1.0).epsilon(1e-4));
  CHECK(analysis.attention[0].gated);
  CHECK(analysis.maps.size() == 6);
}

TEST_CASE("an analysis of a model with a head is of its body, and runs whatever the head is") {
  TinyBert bert;
  bert.add("cls.predictions.transform.dense.weight", {48, 48}, 0.2f);
  bert.add("cls.predictions.transform.dense.bias", {48}, 0.5f);
  bert.add("cls.predictions.transform.LayerNorm.weight", {48}, 0.1f, 1.0f);
  bert.add("cls.predictions.transform.LayerNorm.bias", {48}, 0.1f);
  bert.add("cls.predictions.bias", {50}, 2.0f);
  const Analysis analysis = analysis_of(bert.model(), {.sensitivity = true});
  CHECK(analysis.values.size() == 2 * 13 + 3);
  CHECK(std::ranges::none_of(analysis.sensitivity, [](const Sensitivity& s) { return s.name.starts_with("cls"); }));
}

TEST_CASE("an analysis looks at gated units, and does not take their gates for an attention's") {
  const GoldenHeads golden("modern_encoders.safetensors");
  const Model model = golden.checkpoints.at("ModernBertModel").model();
  Workspace workspace({.threads = 1});
  const Analysis found = analyze(model, golden.texts, workspace, {.quantized = calibrated_on_random_tokens(model)});
  CHECK(value(found, "layers.0.mlp.Wi.glu").kind == "gated unit");
  REQUIRE(found.attention.size() == 3);
  for (const AttentionAnalysis& attention : found.attention) CHECK_FALSE(attention.gated);
}

TEST_CASE("of 16-bit probabilities those count as zero codes that are zero") {
  const TinyBertOptions plain{.gate = false};
  const Analysis analysis = analysis_of(
      tiny_model(plain),
      {.quantized = quantized_tiny_model(plain, {.activations = {.probabilities = ProbabilityType::uint16}})});
  for (const double share : analysis.attention[0].zero_codes) CHECK(share < 0.05);
}

TEST_CASE("exact zeros are those of clipped softmax, and agree with a recount from the maps") {
  CHECK(analysis_of(tiny_model()).zeros < 1e-3);
  const Model model = tiny_model({.gate = false, .gamma = -0.06});
  const Analysis analysis = analysis_of(model);
  CHECK(analysis.zeros > 0.2);
  CHECK(analysis.attention[0].row_sum < 0.99);
  CHECK_FALSE(analysis.attention[0].gated);
  Workspace workspace({.threads = 1});
  const std::vector<TokenBatch> one = {random_batch(1, 30, 50, 5)};
  const Analysis single = analyze(model, one, workspace);
  for (const AttentionMap& map : single.maps) {
    const auto zeros = std::ranges::count(map.probabilities, 0.0f);
    const auto& layer = *std::ranges::find(single.attention, map.name, &AttentionAnalysis::name);
    CHECK(layer.zeros[static_cast<std::size_t>(map.head)] ==
          Approx(static_cast<double>(zeros) / map.length / map.length));
  }
}

TEST_CASE("fewer bits lose more, and an INT8 file of the default design less than the simulated setting of the paper") {
  const Model model = tiny_model();
  const Analysis w8a8 = analysis_of(model), w6a6 = analysis_of(model, {.weight_bits = 6, .activation_bits = 6});
  const Analysis wide = analysis_of(model, {.weight_bits = 16, .activation_bits = 16});
  const Analysis file = analysis_of(model, {.quantized = quantized_tiny_model()});
  CHECK(wide.cosine > 0.99999);
  CHECK(w8a8.cosine < wide.cosine);
  CHECK(w6a6.cosine < w8a8.cosine);
  CHECK(file.cosine > w8a8.cosine);
  const std::string norm = "encoder.layer.0.output.LayerNorm";
  CHECK(value(w6a6, norm).sqnr < value(w8a8, norm).sqnr - 6.0);
  CHECK(value(file, "encoder.layer.1.attention.self.query").compared);
  CHECK(value(file, "encoder.layer.1.attention.self").sqnr > 15.0);
}

TEST_CASE("the sensitivity sweep puts a planted outlier first and says what helps") {
  TinyBert bert;
  bert.tensors.at("encoder.layer.0.output.dense.bias").writable<float>()[9] = 30.0f;
  const Analysis analysis = analysis_of(bert.model(), {.sensitivity = true});
  REQUIRE(analysis.sensitivity.size() == analysis.values.size() + 2 * 6 + 3);
  const auto first = std::ranges::find(analysis.sensitivity, false, &Sensitivity::weights);  // of the activations
  INFO(first->name << " " << first->cosine);
  CHECK((first->name == "encoder.layer.0.output.dense.product" || first->name == "encoder.layer.0.output.dense"));
  CHECK_THAT(first->remedy, Catch::Contains("16-bit residual"));
  CHECK(std::ranges::is_sorted(analysis.sensitivity, {}, &Sensitivity::cosine));
  CHECK(analysis.max_inf_norm > 25.0);
  CHECK(analysis.sensitivity.back().cosine > 0.9999);
}

TEST_CASE(
    "a quantized reference, a file of another model, bits out of range and no data are errors that name the thing") {
  Workspace workspace({.threads = 1});
  const std::vector<TokenBatch> batches = {random_batch(2, 9, 50)};
  CHECK_THROWS_WITH(analyze(quantized_tiny_model(), batches, workspace), Catch::Contains("float32"));
  CHECK_THROWS_WITH(analyze(tiny_model(), {}, workspace), Catch::Contains("batch"));
  CHECK_THROWS_WITH(analyze(tiny_model(), batches, workspace, {.weight_bits = 1}), Catch::Contains("bits"));
  CHECK_THROWS_WITH(analyze(tiny_model(), batches, workspace, {.quantized = tiny_model()}),
                    Catch::Contains("not quantized"));
  CHECK_THROWS_WITH(analyze(tiny_model({.layers = 1}), batches, workspace, {.quantized = quantized_tiny_model()}),
                    Catch::Contains("checkpoint"));
}

TEST_CASE("simulated quantizers are the paper's: half to even, a range that holds 0, and symmetric weights") {
  std::vector<float> x = {-1.0f, 0.49f, 0.51f, 254.0f, 300.0f};
  simulate_activation(x, {.low = -1.0f, .high = 254.0f}, 8);
  CHECK(x == std::vector<float>{-1.0f, 0.0f, 1.0f, 254.0f, 254.0f});
  std::vector<float> w = {-127.0f, 3.4f, 12.6f};
  simulate_weights(w, 8);
  CHECK(w == std::vector<float>{-127.0f, 3.0f, 13.0f});
  std::vector<float> gains = {0.0f, 255.0f, 7.4f};
  simulate_weights(gains, 8);  // without a negative value all 255 steps are above 0
  CHECK(gains == std::vector<float>{0.0f, 255.0f, 7.0f});
}

TEST_CASE("running quantizers move a range by a tenth of the batch, quantize at once, and keep it when frozen") {
  RunningQuantizers quantizers;
  std::vector<float> a = {0.0f, 10.0f}, b = {0.0f, 20.0f}, c = {0.0f, 50.0f};
  quantizers("v", a);
  quantizers("v", b);
  CHECK(quantizers.ranges().at("v").high == Approx(11.0f));
  CHECK(b[1] == Approx(11.0f));  // beyond the range, at the time
  quantizers.freeze();
  quantizers("v", c);
  CHECK(quantizers.ranges().at("v").high == Approx(11.0f));
}

TEST_CASE("of a decoder, hidden states are compared, and zeros counted among the keys that a query sees") {
  const Model model = TinyOpt().model();
  Workspace workspace({.threads = 1});
  const std::vector<TokenBatch> batches = {random_batch(6, 30, 70, 5)};
  const Analysis coarse = analyze(model, batches, workspace, {.weight_bits = 3, .activation_bits = 3});
  CHECK(coarse.cosine < 0.999);
  CHECK(coarse.lowest_cosine <= coarse.cosine);
  const Analysis fine = analyze(model, batches, workspace, {.weight_bits = 12, .activation_bits = 12});
  CHECK(fine.cosine > coarse.cosine);
  for (const AttentionAnalysis& layer : fine.attention) {
    CHECK(layer.row_sum == Approx(1.0).margin(1e-5));
    for (const double zeros : layer.zeros) CHECK(zeros < 0.01);  // an ordinary softmax of small scores has none
  }
}

}  // namespace octavo::test
