// What papers change in BERT and OPT without a library of its own: layers in a loop, probabilities by distance (URPE),
// one wide layer. Against plain PyTorch (tests/golden/make_model_variants.py).
#include "tests/support/check_integers.h"
#include "tests/support/golden_heads.h"
#include "tests/support/support.h"

#include "octavo/error.h"
#include "octavo/kv_cache.h"

#include <algorithm>
#include <set>
#include <string>

namespace octavo::test {
namespace {

const GoldenHeads& golden() {
  static const GoldenHeads all("model_variants.safetensors");
  return all;
}

/// A checkpoint whose config.json has these keys, too; null takes one away.
GoldenHeads::Stored changed(const std::string& name, const nlohmann::json& keys) {
  GoldenHeads::Stored checkpoint = golden().checkpoints.at(name);
  checkpoint.config.merge_patch(keys);
  return checkpoint;
}

std::string refused(const GoldenHeads::Stored& checkpoint) {
  return refusal([&] { checkpoint.model(); });
}

Tensor hidden(const Model& model, std::size_t text = 1) {
  Workspace workspace({.threads = 1});
  return Engine(model).run(golden().texts[text], workspace);
}

}  // namespace

TEST_CASE("looped layers, URPE and a wide layer have PyTorch's outputs in float32") {
  REQUIRE(golden().checkpoints.size() == 6);
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    golden().check_float_outputs(name);
  }
}

TEST_CASE("looped layers, URPE and a wide layer in integers are close to float32, with the same bits everywhere") {
  for (const auto& [name, checkpoint] : golden().checkpoints) {
    INFO(name);
    check_integers(checkpoint.model(), golden().texts[1], 0.97);
  }
}

TEST_CASE("a looped model is the one whose layers are written out, and holds their weights once") {
  const GoldenHeads::Stored& looped = golden().checkpoints.at("LoopedOpt");
  GoldenHeads::Stored whole = changed("LoopedOpt", {{"layer_loop", nullptr}, {"num_hidden_layers", 6}});
  const int order[] = {0, 1, 2, 1, 2, 3};
  std::erase_if(whole.tensors, [](const auto& named) { return named.first.find(".layers.") != named.first.npos; });
  for (const auto& [name, tensor] : looped.tensors) {
    const std::size_t found = name.find(".layers.");
    for (int i = 0; found != name.npos && i < 6; ++i) {
      if (name[found + 8] == '0' + order[i])
        whole.tensors[name.substr(0, found + 8) + std::to_string(i) + name.substr(found + 9)] = tensor;
    }
  }
  CHECK(equal_bytes(hidden(looped.model()), hidden(whole.model())));
  CHECK(looped.model().info().layers == 6);
  CHECK_FALSE(
      equal_bytes(hidden(looped.model()), hidden(changed("LoopedOpt", {{"layer_loop", {{"times", 1}}}}).model())));
  CHECK(equal_bytes(hidden(changed("LoopedOpt", {{"layer_loop", nullptr}}).model()),
                    hidden(changed("LoopedOpt", {{"layer_loop", {{"times", 1}}}}).model())));
}

TEST_CASE("a loop of layers that are not there, of other keys, or of a family without loops is refused by name") {
  const auto with = [](const nlohmann::json& loop) { return refused(changed("LoopedBert", {{"layer_loop", loop}})); };
  CHECK_THAT(with({{"first", 2}, {"times", 2}}), Catch::Contains("layer_loop: first is 2, expected"));
  CHECK_THAT(with({{"first", 1}, {"layers", 2}, {"times", 2}}), Catch::Contains("layer_loop: layers is 2, expected"));
  CHECK_THAT(with({{"first", 0}, {"times", nullptr}}), Catch::Contains("layer_loop: times"));
  CHECK_THAT(with({{"times", 0}}), Catch::Contains("layer_loop: times is 0"));
  CHECK_THAT(with({{"times", 501}}), Catch::Contains("at most 1000 layers in all, not 1002"));
  CHECK_THAT(with({{"times", 2}, {"inject_input", true}}), Catch::Contains("inject_input"));
  CHECK_THAT(refused(changed("LoopedBert", {{"num_hidden_layers", 3}})), Catch::Contains("has no tensor"));
  GoldenHeads::Stored albert = changed("LoopedBert", {{"model_type", "albert"}});
  CHECK_THAT(refused(albert), Catch::Contains("layer_loop is"));
}

TEST_CASE("factors of distances that are all 1 change nothing, and others do") {
  for (const char* name : {"UrpeBert", "UrpeOpt"}) {
    INFO(name);
    GoldenHeads::Stored ones = golden().checkpoints.at(name), plain = ones;
    for (auto& [key, tensor] : ones.tensors) {
      if (!key.ends_with(".urpe")) continue;
      plain.tensors.erase(key);
      Tensor one(DType::f32, tensor.shape());
      std::ranges::fill(one.writable<float>(), 1.0f);
      tensor = one;
    }
    plain.config.erase("attention_method");
    const Tensor expected = hidden(plain.model());
    CHECK(equal_bytes(hidden(ones.model()), expected));
    CHECK(largest_difference(hidden(golden().checkpoints.at(name).model()).as<float>(), expected.as<float>()) > 0.1);
    const Model quantized = calibrated_on_random_tokens(ones.model());
    CHECK(similarity(hidden(quantized).as<float>(), expected.as<float>()) > 0.99);
  }
}

TEST_CASE("a decoder with factors of distances gives the same bits token by token and with any number of threads") {
  const Model quantized = calibrated_on_random_tokens(golden().checkpoints.at("UrpeOpt").model());
  const Engine engine(quantized);
  const TokenBatch& text = golden().texts[1];
  Workspace one({.threads = 1}), three({.threads = 3});
  const Tensor whole = engine.logits(text, one, LogitRows::all);
  KvCache cache(quantized, 48);
  KvCache* caches[] = {&cache};
  for (std::size_t i = 0; i < text.sequences[0].ids.size(); ++i) {
    const Tensor step = engine.decode({{{.ids = {text.sequences[0].ids[i]}}}}, caches, i % 2 == 0 ? one : three);
    REQUIRE(equal_bytes(step, row_of(whole, i)));
  }
}

TEST_CASE("factors of distances beside another softmax, undeclared or of a wrong shape are refused by name") {
  const auto method = [](const nlohmann::json& keys) {
    return refused(changed("UrpeBert", {{"attention_method", keys}}));
  };
  CHECK_THAT(method({{"softmax", {{"gamma", -0.03}}}}), Catch::Contains("expected the ordinary one"));
  CHECK_THAT(method({{"softmax", {{"softmax1", true}}}}), Catch::Contains("expected the ordinary one"));
  CHECK_THAT(refused(changed("UrpeBert", {{"attention_method", nullptr}})),
             Catch::Contains("attention.self.urpe, but config.json does not say attention_method.urpe"));
  CHECK_THAT(refused(changed("LoopedBert", {{"attention_method", {{"urpe", true}}}})),
             Catch::Contains("has no tensor encoder.layer.0.attention.self.urpe"));
  for (const Tensor::Shape& shape : {Tensor::Shape{3, 94}, {95}, {2, 95}}) {
    GoldenHeads::Stored other = golden().checkpoints.at("UrpeBert");
    other.tensors["encoder.layer.0.attention.self.urpe"] = Tensor(DType::f32, shape);
    CHECK_THAT(refused(other), Catch::Contains("encoder.layer.0.attention.self.urpe"));
  }
  const Model model = golden().checkpoints.at("UrpeBert").model();
  Calibrator paper(model, CalibrationOptions::quantizable_transformers());
  Workspace workspace({.threads = 1});
  paper.observe(random_batch(8, 20, 40), workspace);
  CHECK_THAT(refusal([&] { paper.quantize(); }), Catch::Contains("factors of distances, which the paper's setting"));
}

TEST_CASE("one layer whose heads are wider than the stream runs as PyTorch has it") {
  const Model model = golden().checkpoints.at("WideBert").model();
  CHECK(model.info().layers == 1);
  CHECK(model.info().hidden_size == 24);
  CHECK(model.info().attention_heads == 12);
  CHECK(golden().checkpoints.at("WideOpt").model().info().attention_heads == 9);
  GoldenHeads::Stored uneven = changed("WideBert", {{"num_attention_heads", 5}});
  CHECK_THAT(refused(uneven), Catch::Contains("does not divide into num_attention_heads = 5 heads"));
}

}  // namespace octavo::test
