// Reading OPT checkpoints: every variant of the family, golden outputs of PyTorch, and errors that name the thing.
#include "float/float_executor.h"
#include "io/safetensors.h"
#include "runtime/workspace.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

#include <fstream>

namespace octavo::test {
namespace {

std::string read_error(const TinyOpt& opt) {
  return refusal([&] { opt.model(); });
}

TokenBatch golden_batch(const SafetensorsFile& golden) {
  TokenBatch batch;
  for (int i = 0; golden.tensors.contains(std::to_string(i) + ".input_ids"); ++i) {
    const auto ids = golden.tensors.at(std::to_string(i) + ".input_ids").as<std::int32_t>();
    batch.sequences.push_back({.ids = {ids.begin(), ids.end()}});
  }
  return batch;
}

std::vector<std::int32_t> greedy(const Engine& engine, std::vector<std::int32_t> ids, int count) {
  Workspace workspace({.threads = 1});
  std::vector<std::int32_t> result;
  for (int i = 0; i < count; ++i) {
    const Tensor logits = engine.logits({{{.ids = ids}}}, workspace);
    const auto row = logits.as<float>();
    ids.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
    result.push_back(ids.back());
  }
  return result;
}

}  // namespace

TEST_CASE("float hidden states, logits and losses of OPT are PyTorch's, and so are greedy continuations", "[shared]") {
  for (const std::string name : {"opt-mini", "opt-mini-gated"}) {
    const auto files = find_golden_model(name);
    const auto facts = shared_data("golden/" + name + ".json");
    if (!files || !facts) return;
    INFO(name);
    const SafetensorsFile golden = read_safetensors(files->golden);
    const Engine engine(Model::from_checkpoint(files->checkpoint));
    Workspace workspace({.threads = 2});
    const TokenBatch batch = golden_batch(golden);
    REQUIRE(batch.sequences.size() == 4);
    const Tensor hidden = engine.run(batch, workspace), logits = engine.logits(batch, workspace, LogitRows::all);
    const auto losses = engine.losses(batch, workspace);
    std::size_t row = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const std::string prefix = std::to_string(i) + ".";
      const std::size_t length = batch.sequences[i].ids.size(), vocabulary = 50272;
      CHECK(largest_difference(hidden.as<float>().subspan(row * 256, length * 256),
                               golden.tensors.at(prefix + "final_layer_norm").as<float>()) < 1e-4);
      const auto top = golden.tensors.at(prefix + "top5_logits").as<float>();
      const auto ids = golden.tensors.at(prefix + "top5_ids").as<std::int32_t>();
      for (std::size_t t = 0; t < length; ++t) {
        for (std::size_t k = 0; k < 5; ++k) {
          const float found = logits.as<float>()[(row + t) * vocabulary + static_cast<std::size_t>(ids[t * 5 + k])];
          CHECK(std::abs(found - top[t * 5 + k]) < 1e-4f);
        }
      }
      const auto nll = golden.tensors.at(prefix + "nll").as<float>();
      REQUIRE(losses[i].size() == nll.size());
      for (std::size_t t = 0; t < nll.size(); ++t) CHECK(losses[i][t] == Approx(nll[t]).margin(1e-4));
      row += length;
    }
    const std::size_t last = batch.sequences[0].ids.size() - 1;
    CHECK(largest_difference(logits.as<float>().subspan(last * 50272, 50272),
                             golden.tensors.at("0.logits.last").as<float>()) < 1e-4);
    const nlohmann::json cases = nlohmann::json::parse(std::ifstream(*facts)).at("cases");
    for (const auto& each : cases) {
      CHECK(greedy(engine, each.at("prompt_ids"), 16) == each.at("greedy_ids").get<std::vector<std::int32_t>>());
    }
  }
}

TEST_CASE("layers of OPT in float32 are PyTorch's, stage by stage", "[shared]") {
  const auto files = find_golden_model("opt-mini-gated");
  if (!files) return;
  const SafetensorsFile golden = read_safetensors(files->golden);
  const Model model = Model::from_checkpoint(files->checkpoint);
  const FloatExecutor executor(shared_data_of(model));
  Workspace::Data workspace(1);
  std::map<std::string, std::vector<float>> seen;
  const RaggedBatch batch = make_ragged({{golden_batch(golden).sequences[0]}}, model.info());
  const Observer keep = [&](std::string_view value, std::span<const float> values, int) {
    seen[std::string(value)] = {values.begin(), values.end()};
  };
  executor.run(batch, workspace, {.observer = keep, .stages = ObserveStages::all});
  const auto check = [&](const std::string& value, const std::string& stage) {
    INFO(value);
    CHECK(largest_difference(seen.at(value), golden.tensors.at("0." + stage).as<float>()) < 1e-4);
  };
  check("decoder.embeddings", "embeddings");
  for (int i = 0; i < 4; ++i) {
    const std::string layer = "layers." + std::to_string(i) + ".";
    check("decoder." + layer + "self_attn.out_proj", layer + "after_attention");
    check("decoder." + layer + "fc2", layer + "output");
  }
  check("decoder.layers.1.self_attn", "layers.1.context");
  check("decoder.layers.1.self_attn.probs", "layers.1.probs");
}

TEST_CASE("the head's own weights are read when they are not tied, and stored but tied ones are ignored") {
  const TokenBatch batch = random_batch(3, 20, 70);
  Workspace workspace({.threads = 1});
  TinyOpt tied, stored, untied({.tied = false});
  stored.add("lm_head.weight", {70, 48}, 1.0f);
  untied.tensors.insert_or_assign("lm_head.weight", tied.tensors.at("model.decoder.embed_tokens.weight"));
  for (const auto& [name, tensor] : tied.tensors) untied.tensors.insert_or_assign(name, tensor);
  const Tensor expected = Engine(tied.model()).logits(batch, workspace);
  CHECK(largest_difference(Engine(stored.model()).logits(batch, workspace).as<float>(), expected.as<float>()) == 0.0);
  CHECK(largest_difference(Engine(untied.model()).logits(batch, workspace).as<float>(), expected.as<float>()) == 0.0);
  untied.add("lm_head.weight", {70, 48}, 1.0f);
  CHECK(largest_difference(Engine(untied.model()).logits(batch, workspace).as<float>(), expected.as<float>()) > 0.1);
}

TEST_CASE("an OPT checkpoint that is not what it says is an error that names the thing") {
  TinyOpt missing, unknown, positions, heads, activation, projection;
  missing.tensors.erase("model.decoder.layers.1.fc2.bias");
  CHECK_THAT(read_error(missing), Catch::Contains("decoder.layers.1.fc2.bias"));
  unknown.add("model.decoder.layers.0.extra", {48}, 1.0f);
  CHECK_THAT(read_error(unknown), Catch::Contains("decoder.layers.0.extra"));
  positions.add("model.decoder.embed_positions.weight", {40, 48}, 1.0f);
  CHECK_THAT(read_error(positions), Catch::Contains("embed_positions.weight has shape [40, 48], expected [42, 48]"));
  heads.config["num_attention_heads"] = 5;
  CHECK_THAT(read_error(heads), Catch::Contains("num_attention_heads"));
  activation.config["activation_function"] = "mish";
  CHECK_THAT(read_error(activation), Catch::Contains("activation_function"));
  projection.config["word_embed_proj_dim"] = 20;
  CHECK_THAT(read_error(projection), Catch::Contains("embed_tokens.weight"));
}

TEST_CASE(
    "a text too long, empty, or with ids out of range is an error, and so are logits of a model that is no decoder") {
  Workspace workspace({.threads = 1});
  const Engine opt(TinyOpt().model()), bert(tiny_model());
  CHECK_THROWS_WITH(opt.logits({{{.ids = std::vector<std::int32_t>(41, 3)}}}, workspace),
                    Catch::Contains("41 tokens, the model takes at most 40"));
  CHECK_THROWS_WITH(opt.logits(TokenBatch{{Tokens{.ids = {}}}}, workspace), Catch::Contains("no tokens"));
  CHECK_THROWS_WITH(opt.logits({{{.ids = {70}}}}, workspace), Catch::Contains("token id 70"));
  CHECK_THROWS_WITH(bert.logits(random_batch(1, 4, 50), workspace),
                    Catch::Contains("has no output logits; it has last_hidden_state"));
}

}  // namespace octavo::test
