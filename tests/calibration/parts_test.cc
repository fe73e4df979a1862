// Models with fewer heads and neurons, and with neurons apart that have large values.
#include "octavo/parts.h"

#include "base/access.h"
#include "graph/attention_heads.h"
#include "graph/neurons.h"
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/outliers.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/comparison.h"
#include "octavo/error.h"
#include "octavo/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

namespace octavo::test {
namespace {

Workspace& one_thread() {
  static Workspace workspace({.threads = 1});
  return workspace;
}

Model model_of(Model::Data data) { return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data))); }

std::vector<int> counted(int first, int count) {
  std::vector<int> result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), first);
  return result;
}

Tensor picked_rows(const Tensor& all, const std::vector<int>& rows) {
  Tensor::Shape shape = all.shape();
  const auto width = static_cast<std::size_t>(all.elements() / shape[0]);
  shape[0] = std::ssize(rows);
  Tensor result(DType::f32, shape);
  auto to = result.writable<float>().begin();
  for (const int row : rows)
    to = std::ranges::copy(all.as<float>().subspan(static_cast<std::size_t>(row) * width, width), to).out;
  return result;
}

Tensor picked_columns(const Tensor& all, const std::vector<int>& columns) {
  Tensor result(DType::f32, {all.rows(), std::ssize(columns)});
  const auto to = result.writable<float>();
  for (std::int64_t row = 0; row < all.rows(); ++row) {
    for (std::size_t k = 0; k < columns.size(); ++k)
      to[static_cast<std::size_t>(row) * columns.size() + k] =
          all.row<float>(row)[static_cast<std::size_t>(columns[k])];
  }
  return result;
}

void check_same(const Model& a, const Model& b, const TokenBatch& batch) {
  CHECK(a.info().parameters == b.info().parameters);
  CHECK(equal_bytes(Engine(a).run(batch, one_thread()), Engine(b).run(batch, one_thread())));
  CHECK(equal_bytes(Engine(calibrated_on_random_tokens(a)).run(batch, one_thread()),
                    Engine(calibrated_on_random_tokens(b)).run(batch, one_thread())));
}

PartObserver observed(const Model& model, const TokenBatch& batch) {
  PartObserver result{Engine(model)};
  result.observe(batch, one_thread());
  return result;
}

/// Mean square of the difference to float32, of a model that was quantized without channel splits.
double error(const Model& model, const Model& reference, const TokenBatch& batch) {
  const Tensor found = Engine(model).run(batch, one_thread()), exact = Engine(reference).run(batch, one_thread());
  double sum = 0.0;
  for (std::size_t i = 0; i < found.as<float>().size(); ++i)
    sum += std::pow(double{found.as<float>()[i]} - double{exact.as<float>()[i]}, 2);
  return sum / static_cast<double>(found.elements());
}

Model without_channel_splits(const Model& model) {
  Calibrator calibrator(model, {.activations = {.channel_splits = 0}});
  for (unsigned seed = 1; seed <= 3; ++seed) calibrator.observe(random_batch(24, 40, 50, seed), one_thread());
  return calibrator.quantize().model;
}

}  // namespace

TEST_CASE("a nested checkpoint's narrower networks are those of the checkpoint that was built of them, bit for bit") {
  TinyBert wide({.intermediate_size = 128});
  wide.config["matformer_factor"] = 4;
  TinyBert narrow({.intermediate_size = 64});
  const std::vector<int> first = counted(0, 64);
  for (auto& [name, tensor] : narrow.tensors) {
    const Tensor& all = wide.tensors.at(name);
    const bool in = name.find(".intermediate.dense") != std::string::npos,
               out = name.ends_with(".output.dense.weight") && name.find(".attention.") == std::string::npos;
    tensor = in ? picked_rows(all, first) : out ? picked_columns(all, first) : all;
  }
  const Model model = wide.model(), half = with_ffn_widths(model, std::vector{0.5});
  const TokenBatch batch = random_batch(8, 40, 50);
  CHECK(half.info().intermediate_size == 64);
  check_same(half, narrow.model(), batch);
  check_integers(with_ffn_widths(model, std::vector{0.25, 1.0}), batch, 0.99);
  CHECK_THROWS_WITH(with_ffn_widths(model, std::vector{0.125}), Catch::Contains("from 1 / 4 to 1"));
  CHECK_THROWS_WITH(with_ffn_widths(model, std::vector{0.503}), Catch::Contains("whole number"));
  CHECK_THROWS_WITH(with_ffn_widths(model, std::vector{1.0, 1.0, 0.5}), Catch::Contains("3 widths for 2"));
  CHECK_THROWS_WITH(with_ffn_widths(narrow.model(), std::vector{0.5}), Catch::Contains("matformer_factor"));
}

TEST_CASE("an attention without a head is the one that was built without it, bit for bit") {
  TinyBert whole({.gate = false}), less({.heads = 2, .gate = false});
  std::vector<int> kept = counted(0, 20);
  for (const int column : counted(40, 20)) kept.push_back(column);
  for (auto& [name, tensor] : less.tensors) {
    const Tensor& all = whole.tensors.at(name);
    const bool in = name.find(".attention.self.") != std::string::npos,
               out = name.ends_with(".attention.output.dense.weight");
    tensor = in ? picked_rows(all, kept) : out ? picked_columns(all, kept) : all;
  }
  const Model model = whole.model();
  std::map<std::string, KeptHeads> heads;
  for (const Sublayer& each : sublayers(model)) {
    if (each.kind == SublayerKind::attention) heads[each.name].kept = {0, 2};
  }
  const Model without = model_of(with_heads(data_of(model), heads));
  CHECK(without.info().attention_heads == 2);
  check_same(without, less.model(), random_batch(8, 40, 50));
}

TEST_CASE("a head that goes takes its gate, its sink and its bias of scores along") {
  const auto check = [](TinyBertOptions options) {
    TinyBert bert(options);
    for (const char* layer : {"encoder.layer.0", "encoder.layer.1"}) {  // nobody reads head 1
      const auto weight = bert.tensors.at(std::string(layer) + ".attention.output.dense.weight").writable<float>();
      for (std::size_t i = 0; i < weight.size(); ++i) {
        if (i % 60 / 20 == 1) weight[i] = 0.0f;
      }
    }
    const Model model = bert.model();
    const TokenBatch batch = random_batch(8, 40, 50);
    LeftParts left;
    for (const Sublayer& each : sublayers(model)) {
      if (each.kind == SublayerKind::attention) left.heads[each.name] = {0, 2};
    }
    const Model without = with_parts(observed(model, batch), left);
    CHECK(without.info().parameters < model.info().parameters);
    CHECK(largest_difference(Engine(without).run(batch, one_thread()).as<float>(),
                             Engine(model).run(batch, one_thread()).as<float>()) < 1e-5);
    check_integers(without, batch, 0.99);
  };
  SECTION("linear gates over slices") { check({}); }
  SECTION("linear gates of all heads") { check({.gate_kind = "all_heads"}); }
  SECTION("gates of elements") { check({.gate_type = "conditional_per_element", .gate_kind = "dense"}); }
  SECTION("gates of their own") { check({.gate_type = "unconditional_per_head"}); }
  SECTION("sinks") { check({.gate = false, .sink = true}); }
  SECTION("gates that are MLPs are refused") {
    const Model model = tiny_model({.gate_kind = "mlp"});
    LeftParts left{.heads = {{sublayers(model)[0].name, {0}}}};
    CHECK_THROWS_WITH(with_parts(observed(model, random_batch(4, 20, 50)), left), Catch::Contains("are MLPs"));
  }
}

TEST_CASE("heads and neurons that do nothing are found first, and cost nothing") {
  TinyBert bert({.intermediate_size = 192, .gate = false});
  const auto head = bert.tensors.at("encoder.layer.1.attention.output.dense.weight").writable<float>();
  for (std::size_t i = 0; i < head.size(); ++i) {
    if (i % 60 / 20 == 1) head[i] = 0.0f;
  }
  const auto neurons = bert.tensors.at("encoder.layer.0.output.dense.weight").writable<float>();
  for (std::size_t i = 0; i < neurons.size(); ++i) {
    if (i % 192 % 3 == 1) neurons[i] = 0.0f;
  }
  const Model model = bert.model();
  const TokenBatch batch = random_batch(16, 40, 50);
  Comparison answers;
  answers.add(Engine(model), batch, one_thread());
  const Distance distance = [&](const Engine& engine) { return 1.0 - answers.closeness(engine, one_thread()).mean(); };
  const PartObserver parts = observed(model, batch);
  const PartChoice found = choose_parts(parts, distance, {.heads = 2.0 / 6.0, .neurons = 64.0 / 384.0});
  CHECK(found.heads == 6);
  CHECK(found.neurons == 384);
  REQUIRE(found.removed.size() == 3);
  CHECK(found.removed[0].sublayer.name == "encoder.layer.1.attention.output.dense");
  CHECK(found.removed[0].distance < 1e-10);
  CHECK(found.removed[1].distance > 1e-6);
  CHECK(found.removed[2].sublayer.name == "encoder.layer.0.output.dense");
  CHECK(found.removed[2].distance == Approx(found.removed[1].distance).epsilon(1e-3));
  CHECK(found.removed[2].work < found.removed[0].work);
  std::vector<int> left;
  for (const int neuron : counted(0, 192)) {
    if (neuron % 3 != 1) left.push_back(neuron);
  }
  CHECK(found.left.neurons.at("encoder.layer.0.output.dense") == left);
  const Model without = with_parts(parts, found.left);
  CHECK(found.removed[2].distance == distance(Engine(without)));
  check_integers(without, batch, 0.99);
}

TEST_CASE("what neurons that always say the same add is in the bias when they are gone") {
  TinyBert bert({.intermediate_size = 128, .gate = false});
  for (const std::size_t neuron : {std::size_t{3}, std::size_t{90}}) {
    for (float& weight :
         bert.tensors.at("encoder.layer.0.intermediate.dense.weight").writable<float>().subspan(neuron * 48, 48))
      weight = 0.0f;
    bert.tensors.at("encoder.layer.0.intermediate.dense.bias").writable<float>()[neuron] = 2.0f;
  }
  const Model model = bert.model();
  const TokenBatch batch = random_batch(8, 40, 50);
  LeftParts left;
  for (const int neuron : counted(0, 128)) {
    if (neuron != 3 && neuron != 90) left.neurons["encoder.layer.0.output.dense"].push_back(neuron);
  }
  CHECK(largest_difference(Engine(with_parts(observed(model, batch), left)).run(batch, one_thread()).as<float>(),
                           Engine(model).run(batch, one_thread()).as<float>()) < 1e-5);
}

TEST_CASE("a neuron 200 times as large as others makes INT8 useless, and with a lane it does not") {
  TinyBert bert({.intermediate_size = 320, .gate = false, .activation = "relu"});
  for (const char* layer : {"encoder.layer.0", "encoder.layer.1"}) {
    const std::string name = layer;
    for (float& weight : bert.tensors.at(name + ".intermediate.dense.weight").writable<float>().subspan(7 * 48, 48))
      weight *= 200.0f;
    const auto out = bert.tensors.at(name + ".output.dense.weight").writable<float>();
    for (std::size_t i = 0; i < out.size(); ++i) out[i] *= i % 320 == 7 ? 0.4f : 20.0f;
  }
  const Model model = bert.model();
  const TokenBatch batch = random_batch(16, 40, 50, 9);
  const Model lanes = with_outlier_lanes(observed(model, batch), 1);
  CHECK(largest_difference(Engine(lanes).run(batch, one_thread()).as<float>(),
                           Engine(model).run(batch, one_thread()).as<float>()) < 1e-4);
  const Model plain = without_channel_splits(model), with_lanes = without_channel_splits(lanes);
  const double broken = error(plain, model, batch), whole = error(with_lanes, model, batch);
  CAPTURE(broken, whole);
  CHECK(broken > 300.0 * whole);  // 25 dB

  // The lane does it: without what it adds the answers are wrong.
  Model::Data data = data_of(with_lanes);
  for (const char* layer : {"encoder.layer.0", "encoder.layer.1"}) {
    Tensor& weight = data.tensors.at(std::string(layer) + ".output.dense.apart.weight");
    weight = Tensor(weight.dtype(), weight.shape());
  }
  CHECK(error(model_of(std::move(data)), model, batch) > 10.0 * whole);
}

TEST_CASE("neurons apart have the same bits on every instruction set, whatever the family") {
  const auto check = [](const Model& model, int vocab_size) {
    const TokenBatch batch = random_batch(8, 40, vocab_size);
    const Model lanes = with_outlier_lanes(observed(model, batch), 10);
    CHECK(lanes.info().parameters == model.info().parameters);
    check_integers(lanes, batch, 0.99);
  };
  SECTION("BERT") { check(tiny_model(), 50); }
  SECTION("OPT") { check(TinyOpt().model(), 70); }
  SECTION("OPT with norms behind sums") { check(TinyOpt({.norm_before = false}).model(), 70); }
  SECTION("gated linear units") {
    const GoldenHeads golden("modern_encoders.safetensors");
    check(golden.checkpoints.at("ModernBertModel").model(), 40);
  }
  SECTION("pictures") {
    const Model model = TinyVit().model();
    PartObserver parts{Engine(model)};
    parts.observe(random_images(8, 32), one_thread());
    const Model lanes = with_outlier_lanes(parts, 10);
    Calibrator calibrator(lanes);
    calibrator.observe(random_images(16, 32, 1), one_thread());
    const ImageBatch pictures = random_images(8, 32, 2);
    CHECK(mean_row_cosine(Engine(calibrator.quantize().model).logits(pictures, one_thread()),
                          Engine(model).logits(pictures, one_thread())) > 0.99);
  }
}

TEST_CASE("a sum with outlier columns keeps them where neurons stand apart") {
  TinyBert bert({.layers = 1, .gate = false});
  plant_sum_outlier(bert, 0, 11);
  const Model model = bert.model();
  const TokenBatch batch = random_batch(16, 40, 50, 9);
  const Model lanes = with_outlier_lanes(observed(model, batch), 8);
  const Model plain = calibrated_on_random_tokens(model), with_lanes = calibrated_on_random_tokens(lanes);
  CHECK(error(with_lanes, model, batch) < 2.0 * error(plain, model, batch));
  check_integers(lanes, batch, 0.99);
}

TEST_CASE("hard attention sees the keys of the largest scores, and with room for all it is what attention was") {
  const auto check = [](const Model& model, int vocab_size) {
    const TokenBatch batch = random_batch(8, 40, vocab_size);
    const std::vector<int> layers = {0, 1}, second = {1};
    const Tensor whole = Engine(calibrated_on_random_tokens(model)).run(batch, one_thread());
    CHECK(equal_bytes(
        Engine(calibrated_on_random_tokens(with_hard_attention(model, 64, layers))).run(batch, one_thread()), whole));
    const Model hard = with_hard_attention(model, 3, second);
    CHECK(largest_difference(Engine(hard).run(batch, one_thread()).as<float>(),
                             Engine(model).run(batch, one_thread()).as<float>()) > 1e-2);
    check_integers(hard, batch, 0.98);
    // One key is all of the probability: the context is its value.
    check_integers(with_hard_attention(model, 1, second), batch, 0.95);
  };
  SECTION("BERT") { check(tiny_model({.gate = false}), 50); }
  SECTION("OPT") { check(TinyOpt({.gate = false}).model(), 70); }
  SECTION("gates and sinks") { check(tiny_model({.sink = true}), 50); }
  SECTION("what it is not for") {
    const Model model = tiny_model();
    CHECK_THROWS_WITH(with_hard_attention(model, 0, std::vector{0}), Catch::Contains("expected 1 or more"));
    CHECK_THROWS_WITH(with_hard_attention(model, 4, std::vector{2}), Catch::Contains("no attention of layer 2"));
  }
}

TEST_CASE("a decoder with hard attention continues from a cache") {
  const Model quantized = calibrated_on_random_tokens(with_hard_attention(TinyOpt().model(), 3, std::vector{0, 1}));
  const Engine engine(quantized);
  const Tokens text{.ids = {2, 5, 9, 30, 41, 7, 12}}, first{.ids = {2, 5, 9, 30, 41, 7}}, last{.ids = {12}};
  const Tensor whole = engine.logits(TokenBatch{{text}}, one_thread());
  KvCache cache(quantized);
  std::vector<KvCache*> caches = {&cache};
  engine.decode(TokenBatch{{first}}, caches, one_thread());
  CHECK(equal_bytes(engine.decode(TokenBatch{{last}}, caches, one_thread()), whole));
}

TEST_CASE("parts that are not there, and shares that are none, are errors that say so") {
  const Model model = tiny_model();
  const PartObserver nothing{Engine(model)};
  CHECK_THROWS_WITH(with_outlier_lanes(nothing, 4), Catch::Contains("no samples were observed"));
  const PartObserver parts = observed(model, random_batch(4, 20, 50));
  CHECK_THROWS_WITH(with_outlier_lanes(parts, 0), Catch::Contains("expected 1 or more"));
  const std::string attention = sublayers(model)[0].name, network = sublayers(model)[1].name;
  CHECK_THROWS_WITH(with_parts(parts, {.heads = {{"no.such", {0}}}}), Catch::Contains("no.such"));
  CHECK_THROWS_WITH(with_parts(parts, {.heads = {{network, {0}}}}), Catch::Contains("no attention " + network));
  CHECK_THROWS_WITH(with_parts(parts, {.heads = {{attention, {3}}}}), Catch::Contains("no head 3, but 3"));
  CHECK_THROWS_WITH(with_parts(parts, {.heads = {{attention, {}}}}), Catch::Contains("one head must be left"));
  CHECK_THROWS_WITH(with_parts(parts, {.neurons = {{network, {1, 1}}}}), Catch::Contains("neuron 1 is named twice"));
  CHECK_THROWS_WITH(PartObserver(Engine(quantized_tiny_model())), Catch::Contains("quantized already"));
  const Distance none = [](const Engine&) { return 0.0; };
  CHECK_THROWS_WITH(choose_parts(parts, none, {.heads = 1.0}), Catch::Contains("from 0 to below 1"));
  CHECK_THROWS_WITH(choose_parts(parts, none, {.heads = 0.9}), Catch::Contains("of 6 heads 4 can be removed at most"));
  CHECK_THROWS_WITH(choose_parts(parts, none, {.heads = 0.01}), Catch::Contains("of 6 heads is none"));
  CHECK_THROWS_WITH(choose_parts(parts, none, {.neurons = 0.1}), Catch::Contains("of 160 neurons is none"));
  CHECK_THROWS_WITH(choose_parts(parts, none, {.neurons = 0.5}), Catch::Contains("0 can be removed at most"));
}

}  // namespace octavo::test
