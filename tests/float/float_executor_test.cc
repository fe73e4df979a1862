// The float32 reference against outputs of PyTorch, stage by stage, on the models that developers share.
#include "float/float_executor.h"

#include "io/safetensors.h"
#include "runtime/workspace.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"

#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

namespace octavo::test {
namespace {

struct Stage {
  std::vector<float> values;
  int columns = 0;
};

/// All that a run lets an observer see, by name.
std::map<std::string, Stage> stages_of(const Model& model, const Tokens& tokens) {
  const FloatExecutor executor(shared_data_of(model));
  Workspace::Data workspace(2);
  std::map<std::string, Stage> stages;
  const Observer keep = [&](std::string_view name, std::span<const float> values, int columns) {
    stages[std::string(name)] = {{values.begin(), values.end()}, columns};
  };
  executor.run(make_ragged({{tokens}}, model.info()), workspace, {.observer = keep, .stages = ObserveStages::all});
  return stages;
}

std::vector<float> transposed(const Stage& stage) {
  const auto columns = static_cast<std::size_t>(stage.columns), rows = stage.values.size() / columns;
  std::vector<float> result;
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < rows; ++i) result.push_back(stage.values[i * columns + j]);
  }
  return result;
}

/// The stage that a golden tensor such as "layer.2.probs" holds; empty for a name that is no stage.
std::vector<float> stage_for(const std::map<std::string, Stage>& stages, const std::string& golden) {
  if (golden == "embeddings") return stages.at("embeddings.LayerNorm").values;
  if (golden == "last_hidden_state") return stages.at("encoder.layer.5.output.LayerNorm").values;
  if (!golden.starts_with("layer.")) return {};
  const std::size_t dot = golden.find('.', 6);
  const std::string layer = "encoder." + golden.substr(0, dot) + ".", what = golden.substr(dot + 1);
  static const std::map<std::string, std::string> names = {
      {"probs", "attention.self.probs"},   {"gate", "attention.self.gate"},
      {"context", "attention.self"},       {"attention_output", "attention.output.LayerNorm"},
      {"ffn_out", "output.dense.product"}, {"output", "output.LayerNorm"}};
  const Stage& stage = stages.at(layer + names.at(what));
  return what == "gate" ? transposed(stage) : stage.values;  // the golden file has [heads, rows]
}

void compare_with_golden(const std::string& name) {
  const auto files = find_golden_model(name);
  if (!files) return;
  const Model model = Model::from_checkpoint(files->checkpoint);
  const SafetensorsFile golden = read_safetensors(files->golden);
  const Engine engine(model);
  Workspace workspace({.threads = 1});
  int compared = 0;
  for (int i = 0; golden.tensors.contains(std::to_string(i) + ".input_ids"); ++i) {
    const std::string prefix = std::to_string(i) + ".";
    const auto ids = golden.tensors.at(prefix + "input_ids").as<std::int32_t>();
    const Tokens tokens{.ids = {ids.begin(), ids.end()}};
    const auto stages = stages_of(model, tokens);
    for (const auto& [key, expected] : golden.tensors) {
      if (!key.starts_with(prefix) || expected.dtype() != DType::f32) continue;
      const std::vector<float> found = stage_for(stages, key.substr(prefix.size()));
      if (found.empty()) continue;
      INFO(name << ": " << key);
      CHECK(largest_difference(found, expected.as<float>()) < 1e-4);
      ++compared;
    }
    const Tensor embedding = embed(engine, {{tokens}}, workspace);
    CHECK(largest_difference(embedding.as<float>(), golden.tensors.at(prefix + "embedding").as<float>()) < 1e-4);
  }
  CHECK(compared > 30);
}

}  // namespace

TEST_CASE("every stage of ordinary MiniLM is within 1e-4 of PyTorch's", "[shared]") {
  compare_with_golden("all-MiniLM-L6-v2");
}

TEST_CASE("every stage of MiniLM with clipped softmax is within 1e-4 of PyTorch's", "[shared]") {
  compare_with_golden("all-MiniLM-L6-v2-clipped");
}

TEST_CASE("every stage of MiniLM with attention gates is within 1e-4 of PyTorch's", "[shared]") {
  compare_with_golden("all-MiniLM-L6-v2-gated-linear");
}

TEST_CASE("every stage of MiniLM with MLP gates, in two files, is within 1e-4 of PyTorch's", "[shared]") {
  compare_with_golden("all-MiniLM-L6-v2-gated-mlp");
}

TEST_CASE("a sequence has the same float32 result alone, in a batch, and on several threads") {
  const Engine engine(tiny_model());
  Workspace one({.threads = 1}), three({.threads = 3});
  const TokenBatch batch = random_batch(20, 60, 50);
  const Tensor all = engine.pool(batch, {Pooling::mean}, three);
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const Tensor alone = engine.pool({{batch.sequences[i]}}, {Pooling::mean}, one);
    CHECK(largest_difference(alone.as<float>(), all.as<float>().subspan(i * 48, 48)) < 1e-5);
  }
}

TEST_CASE("an observer sees every value of the graph, each block of a QKV product, and each product before its sum") {
  const Model model = tiny_model();
  const auto stages = stages_of(model, random_batch(1, 9, 50).sequences[0]);
  for (const Value& value : data_of(model).graph.values) {
    INFO(value.name);
    REQUIRE(stages.contains(value.name));
    CHECK(stages.at(value.name).columns == value.columns);
  }
  for (const char* block : {"query", "key", "value", "alpha.0", "alpha.2"}) {
    CHECK(stages.contains(std::string("encoder.layer.1.attention.self.") + block));
  }
  CHECK(stages.contains("encoder.layer.0.output.dense.product"));
}

TEST_CASE("probabilities of an ordinary softmax add up to 1, those of a clipped one lie in [0, 1] with exact zeros") {
  const Tokens tokens = random_batch(1, 60, 50, 3).sequences[0];
  const std::string probabilities = "encoder.layer.0.attention.self.probs";
  const Stage plain = stages_of(tiny_model(), tokens).at(probabilities);
  for (auto row = plain.values.begin(); row != plain.values.end(); row += plain.columns) {
    CHECK(std::accumulate(row, row + plain.columns, 0.0) == Approx(1.0).epsilon(1e-5));
  }
  const Stage clipped = stages_of(tiny_model({.gamma = -0.03, .zeta = 1.01}), tokens).at(probabilities);
  const auto [lowest, highest] = std::minmax_element(clipped.values.begin(), clipped.values.end());
  CHECK(*lowest == 0.0f);
  CHECK(*highest <= 1.0f);
}

}  // namespace octavo::test
