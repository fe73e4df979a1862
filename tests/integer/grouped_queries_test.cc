// Heads that share keys and values: the results of the same model with a copy of them for each head.
#include "base/access.h"
#include "graph/model_data.h"
#include "io/safetensors.h"
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/tiny_opt.h"

#include "octavo/analysis.h"
#include "octavo/kv_cache.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>

namespace octavo::test {
namespace {

/// One model twice: with so many heads of K and V, and with each of them repeated for the heads of Q that read it.
struct Both {
  Model shared, copied;
};

/// Rows of the first `heads` heads of a tensor, each `times` times.
Tensor rows_of_heads(const Tensor& all, int heads, int head_size, int times) {
  Tensor::Shape shape = all.shape();
  const std::int64_t width = shape.size() > 1 ? shape[1] : 1;
  shape[0] = std::int64_t{heads} * times * head_size;
  Tensor result(DType::f32, shape);
  auto to = result.writable<float>().begin();
  for (int head = 0; head < heads; ++head) {
    for (int copy = 0; copy < times; ++copy)
      to = std::copy_n(all.as<float>().begin() + head * head_size * width, head_size * width, to);
  }
  return result;
}

Model with_heads(const Model& model, int key_value_heads, int times) {
  Model::Data data = data_of(model);
  for (Node& node : data.graph.nodes) {
    auto* qkv = std::get_if<QkvProduct>(&node.op);
    if (!qkv) continue;
    for (LinearBlock* block : {&qkv->key, &qkv->value}) {
      for (const std::string& name : {block->weight, block->bias}) {
        if (name.empty()) continue;
        Tensor& tensor = data.tensors.at(name);
        tensor = rows_of_heads(to_f32(tensor, name), key_value_heads, qkv->head_size, times);
      }
      const int columns = key_value_heads * times * qkv->head_size;
      data.graph.values[static_cast<std::size_t>(node.output)].columns += columns - block->columns;
      block->columns = columns;
    }
  }
  return Access::make<Model>(std::make_shared<const Model::Data>(std::move(data)));
}

Both both(const Model& model, int key_value_heads) {
  const int times = model.info().attention_heads / key_value_heads;
  return {.shared = with_heads(model, key_value_heads, 1), .copied = with_heads(model, key_value_heads, times)};
}

/// By choices that do not depend on how often a row of K or V is there.
Model calibrated(const Model& model) {
  Calibrator calibrator(model, {.activations = {.equalize = EqualizeMethod::power_of_two}});
  Workspace workspace({.threads = 1});
  calibrator.observe(random_batch(24, 40, model.info().vocab_size, 1), workspace);
  return calibrator.quantize().model;
}

Model golden(const std::string& name) {
  static const GoldenHeads all("modern_encoders.safetensors");
  return all.checkpoints.at(name).model();
}

/// Every attribute of attention beside the others.
struct Variant {
  std::string name;
  Model model;
  int key_value_heads;
};

std::vector<Variant> variants() {
  const auto bert = [](TinyBertOptions options) {
    options.heads = 4;
    options.head_size = 12;
    return tiny_model(options);
  };
  return {{"a gate per token", bert({.gamma = -0.05, .zeta = 1.05}), 2},
          {"a gate per element and a sink",
           bert({.sink = true, .gate_type = "conditional_per_element", .gate_kind = "dense"}), 1},
          {"a gate in the query", bert({.gate_type = "conditional_per_element", .gate_kind = "query"}), 2},
          {"no gate", bert({.gate = false}), 4},
          {"rotary positions and windows", golden("ModernBertModel"), 1},
          {"distances", golden("JinaBertModel"), 2}};
}

}  // namespace

TEST_CASE("heads that share keys and values have the outputs of as many heads with copies") {
  for (const auto& [name, model, key_value_heads] : variants()) {
    INFO(name);
    const auto [shared, copied] = both(model, key_value_heads);
    const TokenBatch batch = random_batch(5, 40, 40, 3);
    Workspace workspace({.threads = 1});
    const Tensor floats = Engine(shared).run(batch, workspace), floats_copied = Engine(copied).run(batch, workspace);
    CHECK(largest_difference(floats.as<float>(), floats_copied.as<float>()) < 1e-5);
    // float32 products of other widths may round in other ways, by the CPU, and then constants differ in last bits.
    const Tensor codes = Engine(calibrated(shared)).run(batch, workspace),
                 codes_copied = Engine(calibrated(copied)).run(batch, workspace);
    if (equal_bytes(floats, floats_copied)) CHECK(equal_bytes(codes, codes_copied));
    CHECK(mean_row_cosine(codes, codes_copied) > 0.9995);
    check_integers(shared, batch, 0.97);
  }
}

TEST_CASE("an analysis finds shared keys and values, each column in its own scale, as close to float32 as others") {
  const Model shared = both(tiny_model({.layers = 1, .heads = 4, .head_size = 12}), 2).shared;
  const TokenBatch batches[] = {random_batch(5, 40, 40, 3)};
  Workspace workspace({.threads = 1});
  for (const ValueAnalysis& value :
       analyze(shared, batches, workspace, {.quantized = calibrated_on_random_tokens(shared)}).values) {
    INFO(value.name << " " << value.sqnr << " dB");
    if (value.kind == "query" || value.kind == "key" || value.kind == "value") CHECK(value.sqnr > 25.0);
  }
}

TEST_CASE("in the paper's setting heads share keys and values, too") {
  const auto [shared, copied] = both(tiny_model({.heads = 4, .head_size = 12}), 2);
  const TokenBatch batch = random_batch(5, 40, 40, 3);
  const auto run = [&](const Model& model, const std::string& isa) {
    Calibrator calibrator(model, CalibrationOptions::quantizable_transformers());
    Workspace workspace({.threads = 1});
    calibrator.observe(random_batch(24, 40, 50, 1), workspace);
    return Engine(calibrator.quantize().model, {.isa = isa}).run(batch, workspace);
  };
  const Tensor expected = run(copied, "scalar");
  for (const std::string& isa : available_isas()) CHECK(equal_bytes(run(shared, isa), expected));
}

TEST_CASE("a cache holds the keys and values of the heads that there are") {
  const auto [shared, copied] = both(TinyOpt({.heads = 4, .sink = true}).model(), 2);
  const Model model = calibrated(shared), other = calibrated(copied);
  CHECK_THAT(model.summary(), Catch::Contains("4 heads (2 of keys and values)"));
  CHECK(2 * KvCache(model).bytes() == KvCache(other).bytes());
  const Tokens text = random_batch(1, 40, 70, 9).sequences[0];
  Workspace workspace({.threads = 2});
  for (const std::string& isa : available_isas()) {
    INFO(isa);
    const Engine engine(model, {.isa = isa});
    const Tensor whole = Engine(other, {.isa = isa}).logits({{text}}, workspace, LogitRows::all);
    KvCache cache(model);
    KvCache* const caches[] = {&cache};
    for (std::size_t i = 0; i < text.ids.size(); ++i)
      CHECK(equal_bytes(engine.decode({{{.ids = {text.ids[i]}}}}, caches, workspace), row_of(whole, i)));
    KvCache wrong(other);
    KvCache* const wrong_caches[] = {&wrong};
    CHECK_THROWS_WITH(engine.decode({{text}}, wrong_caches, workspace), Catch::Contains("cache"));
  }
}

}  // namespace octavo::test
