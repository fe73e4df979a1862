// The paper's setting end to end: calibrated with quantizers on, run in integers.
#include "calibration/simulated.h"
#include "float/float_executor.h"
#include "runtime/workspace.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

namespace octavo::test {
namespace {

const CalibrationOptions kPaper = CalibrationOptions::quantizable_transformers();

const TinyBertOptions kSinks = {
    .gamma = -0.02, .sink = true, .gate_type = "conditional_per_element", .gate_kind = "dense"};

}  // namespace

TEST_CASE("the paper's setting in integers is what its quantizers simulated in float give") {
  for (const TinyBertOptions& options :
       {TinyBertOptions{}, TinyBertOptions{.gate = false, .gamma = -0.03},
        TinyBertOptions{.types = 0, .gate_kind = "mlp"}, TinyBertOptions{.gate = false, .softmax1 = true}, kSinks}) {
    const Model model = tiny_model(options), quantized = quantized_tiny_model(options, kPaper);
    RunningQuantizers quantizers;
    const auto data = std::make_shared<const Model::Data>(with_simulated_weights(data_of(model), 8));
    const FloatExecutor executor(data);
    Workspace::Data workspace(1);
    const Transform simulate = [&](std::string_view name, std::span<float> values) { quantizers(name, values); };
    for (unsigned seed = 1; seed <= 4; ++seed) {
      executor.run(make_ragged(random_batch(16, 40, 50, seed), model.info()), workspace, {.transform = simulate});
    }
    quantizers.freeze();
    const TokenBatch batch = random_batch(16, 40, 50, 77);
    const Tensor simulated = executor.run(make_ragged(batch, model.info()), workspace, {.transform = simulate});
    Workspace one({.threads = 1});
    const Tensor integer = Engine(quantized).run(batch, one), exact = Engine(model).run(batch, one);
    const double to_simulation = mean_row_cosine(integer, simulated), to_float = mean_row_cosine(integer, exact);
    INFO("cosine to the simulation " << to_simulation << ", to float32 " << to_float);
    CHECK(to_simulation > 0.998);
    const double share = options.gate_kind == "dense" ? 0.7 : 0.6;  // of 60 logits a token, not 3
    CHECK(1.0 - to_simulation < share * (1.0 - to_float));  // GELU and gates are not bit for bit those of a float run
  }
}

TEST_CASE("a model of the paper's setting gives the same bytes from a file, on every instruction set, in any batch") {
  for (const TinyBertOptions& options : {TinyBertOptions{.gate_kind = "all_heads"},
                                         TinyBertOptions{.gate = false, .gamma = -0.03, .zeta = 1.01}, kSinks}) {
    const Model made = quantized_tiny_model(options, kPaper);
    TemporaryDirectory directory;
    made.save(directory.path() / "m.octavo");
    const Model loaded = Model::from_file(directory.path() / "m.octavo");
    const TokenBatch batch = random_batch(10, 40, 50);
    Workspace one({.threads = 1}), three({.threads = 3});
    const Tensor expected = Engine(made, {.isa = "scalar"}).run(batch, one);
    for (const std::string& isa : available_isas()) {
      const Engine engine(loaded, {.isa = isa});
      CHECK(std::ranges::equal(engine.run(batch, three).as<float>(), expected.as<float>()));
      std::vector<float> alone;
      for (const Tokens& sequence : batch.sequences) {
        const Tensor row = engine.run({{sequence}}, one);
        alone.insert(alone.end(), row.as<float>().begin(), row.as<float>().end());
      }
      CHECK(std::ranges::equal(alone, expected.as<float>()));
    }
  }
}

TEST_CASE("the paper's setting loses more than the default design") {
  const Model model = tiny_model();
  const TokenBatch batch = random_batch(16, 40, 50, 9);
  Workspace one({.threads = 1});
  const Tensor exact = Engine(model).run(batch, one);
  const double paper = mean_row_cosine(Engine(quantized_tiny_model({}, kPaper)).run(batch, one), exact);
  const double ours = mean_row_cosine(Engine(quantized_tiny_model()).run(batch, one), exact);
  CHECK(paper > 0.9);
  CHECK(ours > paper);
}

}  // namespace octavo::test
