// quantize(): what callers may hand it beyond a model and its ranges, and how it answers when something is missing.
#include "quantize/quantize.h"

#include "float/float_executor.h"
#include "graph/op_facts.h"
#include "runtime/workspace.h"
#include "tests/support/compare.h"
#include "tests/support/outliers.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace octavo::test {
namespace {

constexpr const char* kNorm = "encoder.layer.0.attention.output.LayerNorm";
constexpr const char* kGelu = "encoder.layer.0.intermediate.dense";

const TokenBatch& calibration_batch() {
  static const TokenBatch batch = random_batch(64, 40, 50, 5);
  return batch;
}

/// Ranges of every value; a LayerNorm that `equalization` names has those of its equalized values.
Ranges ranges_of(const Model& model, const QuantizeOptions& options = {}) {
  RangeObserver observer(RangeMethod::minmax);
  observer.begin_batch();
  const FloatExecutor executor(shared_data_of(model));
  Workspace::Data workspace(1);
  const Observer observe = [&](std::string_view name, std::span<const float> values, int columns) {
    const auto found = options.equalization.find(name);
    if (found == options.equalization.end()) return void(observer.observe(name, values));
    std::vector<float> equalized(values.begin(), values.end());
    for (std::size_t i = 0; i < equalized.size(); ++i) {
      const std::size_t j = i % static_cast<std::size_t>(columns);
      equalized[i] = (equalized[i] - found->second.shift[j]) / found->second.scale[j];
    }
    observer.observe(name, equalized);
  };
  executor.run(make_ragged(calibration_batch(), model.info()), workspace, {.observer = observe});
  observer.end_part();
  return observer.ranges();
}

Model quantized(const Model& model, const Ranges& ranges, const QuantizeOptions& options) {
  return Access::make<Model>(std::make_shared<const Model::Data>(quantize(data_of(model), ranges, options)));
}

/// Mean cosine of the last hidden states to float32 on texts that calibration has not seen.
double closeness(const Model& model, const Model& integer) {
  const TokenBatch batch = random_batch(32, 40, 50, 99);
  Workspace workspace({.threads = 1});
  return mean_row_cosine(Engine(integer).run(batch, workspace), Engine(model).run(batch, workspace));
}

/// Bounds of every value's columns.
Statistics sums_of(const Model& model) {
  ThreadPool pool(1);
  ColumnObserver observer({});
  const RaggedBatch batch = make_ragged(calibration_batch(), model.info());
  observer.begin({.start = batch.start});
  Workspace::Data workspace(1);
  const Observer observe = [&](std::string_view name, std::span<const float> values, int columns) {
    observer.observe(pool, name, values, columns);
  };
  FloatExecutor(shared_data_of(model)).run(batch, workspace, {.observer = observe});
  return observer.statistics();
}

const QuantizedOp& constants_of(const Model& model, const std::string& value) {
  const Model::Data& data = data_of(model);
  for (std::size_t i = 0; i < data.graph.nodes.size(); ++i) {
    if (data.graph.name(data.graph.nodes[i].output) == value) return data.integer->ops[i];
  }
  throw Error("no value is called " + value);
}

void require_same_on_every_isa(const Model& model, const Model& like) {
  Workspace workspace({.threads = 1});
  const TokenBatch batch = random_batch(8, 40, 50);
  const Tensor expected = Engine(like, {.isa = "scalar"}).run(batch, workspace);
  for (const std::string& isa : available_isas()) {
    const Tensor found = Engine(model, {.isa = isa}).run(batch, workspace);
    REQUIRE(std::ranges::equal(found.as<float>(), expected.as<float>()));
  }
}

/// A model in which one column of a LayerNorm is far larger than the others, and shifted.
Model model_with_norm_outlier() {
  TinyBert bert;
  const auto scale = [&](const std::string& name, std::size_t index, float factor, float offset) {
    float& x = bert.tensors.at(name).writable<float>()[index];
    x = x * factor + offset;
  };
  scale(std::string(kNorm) + ".weight", 5, 40.0f, 0.0f);
  scale(std::string(kNorm) + ".bias", 5, 1.0f, 30.0f);
  for (std::size_t n = 0; n < 80; ++n) scale("encoder.layer.0.intermediate.dense.weight", n * 48 + 5, 1.0f / 40, 0.0f);
  return bert.model();
}

/// A model in which one GELU neuron is far larger than the others.
Model model_with_gelu_outlier() {
  TinyBert bert;
  plant_neuron_outlier(bert, 0);
  return bert.model();
}

std::string error_of(const Model& model, const Ranges& ranges, const QuantizeOptions& options = {}) {
  return refusal([&] { quantize(data_of(model), ranges, options); });
}

}  // namespace

TEST_CASE("equalizing a LayerNorm's u8 output by scale and shift brings a model with an outlier column closer") {
  const Model model = model_with_norm_outlier();
  Equalization equalization{.scale = std::vector<float>(48, 1.0f), .shift = std::vector<float>(48, 0.0f)};
  equalization.scale[5] = 40.0f;
  equalization.shift[5] = 30.0f;
  const QuantizeOptions options{.equalization = {{kNorm, equalization}}};
  const double without = closeness(model, quantized(model, ranges_of(model), {}));
  const double with = closeness(model, quantized(model, ranges_of(model, options), options));
  CHECK(with > 0.995);
  CHECK(1.0 - with < 0.5 * (1.0 - without));
}

TEST_CASE("channel splits of a GELU neuron bring a model with an outlier neuron closer") {
  const Model model = model_with_gelu_outlier();
  const Ranges ranges = ranges_of(model);
  QuantizeOptions options;
  options.channel_splits[kGelu] = std::vector<int>(80, 1);
  options.channel_splits[kGelu][7] = 8;
  Ranges narrow = ranges;
  narrow.at(kGelu).high = narrow.at(kGelu).low + (narrow.at(kGelu).high - narrow.at(kGelu).low) / 8;
  const double without = closeness(model, quantized(model, ranges, {}));
  const double clipped = closeness(model, quantized(model, narrow, {}));
  const double with = closeness(model, quantized(model, narrow, options));
  CHECK(with > 0.995);
  CHECK(1.0 - with < 0.7 * (1.0 - without));
  CHECK(with > clipped);
}

TEST_CASE(
    "outlier columns of a sum bring a model with one closer, and are in the model file on every instruction set") {
  TinyBert bert({.layers = 1, .gate = false});
  plant_sum_outlier(bert, 0, 11);
  const Model model = bert.model();
  const Ranges ranges = ranges_of(model);
  const Statistics sums = sums_of(model);
  const Model without = quantized(model, ranges, {}), with = quantized(model, ranges, {.sums = &sums});
  const double error = 1.0 - closeness(model, with);
  CHECK(error < 0.5 * (1.0 - closeness(model, without)));
  CHECK(error < 0.01);

  const auto* sum = std::get_if<QuantizedLinearAdd>(&constants_of(with, "encoder.layer.0.output.dense"));
  REQUIRE(sum != nullptr);
  CHECK(sum->outlier_columns == std::vector<int>{11});
  CHECK_FALSE(describe_encodings(*sum) == describe_encodings(constants_of(without, "encoder.layer.0.output.dense")));

  TemporaryDirectory directory;
  with.save(directory.path() / "m.octavo");
  require_same_on_every_isa(Model::from_file(directory.path() / "m.octavo"), with);
}

TEST_CASE("a model whose sums have no column much larger than the others is quantized as without their columns") {
  const Model model = TinyBert().model();
  const Ranges ranges = ranges_of(model);
  const Statistics sums = sums_of(model);
  require_same_on_every_isa(quantized(model, ranges, {.sums = &sums}), quantized(model, ranges, {}));
}

TEST_CASE("equalization and channel splits are in the model file, and every instruction set agrees on them") {
  const Model model = model_with_gelu_outlier();
  QuantizeOptions options;
  options.equalization[kNorm] = {.scale = std::vector<float>(48, 1.5f), .shift = std::vector<float>(48, 0.1f)};
  options.channel_splits[kGelu] = std::vector<int>(80, 1);
  options.channel_splits[kGelu][3] = 2;
  options.channel_splits[kGelu][7] = 6;
  const Model made = quantized(model, ranges_of(model, options), options);
  TemporaryDirectory directory;
  made.save(directory.path() / "m.octavo");
  require_same_on_every_isa(Model::from_file(directory.path() / "m.octavo"), made);
}

TEST_CASE("a range that is missing or not finite, and options of the wrong size, are errors that name the value") {
  const Model model = tiny_model();
  const Ranges ranges = ranges_of(model);
  for (const char* name :
       {"embeddings", kNorm, kGelu, "encoder.layer.1.attention.self.key", "encoder.layer.0.attention.self"}) {
    Ranges broken = ranges;
    broken.erase(name);
    CHECK_THAT(error_of(model, broken), Catch::Contains(name));
    broken[name] = {.low = 0.0f, .high = std::numeric_limits<float>::quiet_NaN()};
    CHECK_THAT(error_of(model, broken), Catch::Contains(name));
  }
  CHECK_THAT(error_of(model, ranges, {.equalization = {{kNorm, {{1.0f}, {0.0f}}}}}), Catch::Contains(kNorm));
  CHECK_THAT(error_of(model, ranges, {.channel_splits = {{kGelu, {1, 2}}}}), Catch::Contains(kGelu));
  CHECK_THAT(error_of(model, ranges, {.channel_splits = {{kGelu, std::vector<int>(80, 0)}}}), Catch::Contains(kGelu));
}

TEST_CASE("values that never vary, and weights of zero, still quantize to a model that runs") {
  TinyBert bert;
  for (const char* name : {"encoder.layer.0.intermediate.dense.weight", "encoder.layer.0.attention.self.value.weight",
                           "encoder.layer.0.attention.self.value.bias", "encoder.layer.1.attention.self.key.weight",
                           "encoder.layer.1.attention.self.key.bias", "encoder.layer.1.output.dense.weight"}) {
    std::ranges::fill(bert.tensors.at(name).writable<float>(), 0.0f);
  }
  const Model model = bert.model();
  CHECK(closeness(model, quantized(model, ranges_of(model), {})) > 0.99);
}

}  // namespace octavo::test
