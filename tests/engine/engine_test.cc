// What users rely on of an engine: the same bytes everywhere, and errors that leave it usable.
#include "tests/support/compare.h"
#include "tests/support/stage_codes.h"
#include "tests/support/support.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <cstring>

namespace octavo::test {
namespace {

Model quantized_real_model() {
  const StageGolden stages(source_dir() / "tests/golden/minilm_gated_stages.safetensors");
  return Access::make<Model>(std::make_shared<const Model::Data>(
      quantize(data_of(Model::from_checkpoint(shipped_model())), stages.ranges(), {})));
}

/// Embeddings of ragged sequences must not depend on ISA, threads, batch mix or order.
void check_same_bytes_everywhere(const Model& model, const TokenBatch& batch) {
  Workspace one({.threads = 1});
  const Tensor reference = Engine(model, {.isa = "scalar"}).pool(batch, {Pooling::mean}, one);
  for (const std::string& isa : available_isas()) {
    const Engine engine(model, {.isa = isa});
    CHECK(engine.isa() == isa);
    for (const int threads : {1, 2, 7}) {
      INFO(isa << ", " << threads << " threads");
      Workspace workspace({.threads = threads});
      CHECK(equal_bytes(engine.pool(batch, {Pooling::mean}, workspace), reference));
    }
    INFO(isa);
    TokenBatch reversed = batch;
    std::reverse(reversed.sequences.begin(), reversed.sequences.end());
    const Tensor backwards = engine.pool(reversed, {Pooling::mean}, one);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const Tensor alone = engine.pool({{batch.sequences[i]}}, {Pooling::mean}, one);
      REQUIRE(equal_bytes(alone, row_of(reference, i)));
      REQUIRE(equal_bytes(alone, row_of(backwards, batch.sequences.size() - 1 - i)));
    }
  }
}

}  // namespace

TEST_CASE("a tiny model gives the same bytes for every ISA, thread count, batch and order") {
  check_same_bytes_everywhere(quantized_tiny_model(), random_batch(64, 70, 50));
  check_same_bytes_everywhere(quantized_tiny_model({.gate = false, .gamma = -0.02, .zeta = 1.01, .activation = "relu"}),
                              random_batch(64, 70, 50));
  check_same_bytes_everywhere(quantized_tiny_model({}, {.weights = {.scales = WeightScales::per_tensor},
                                                        .activations = {.residual = ResidualType::int8}}),
                              random_batch(64, 70, 50));
}

TEST_CASE("softmax-1, pruned and logarithmic attention give the same bytes everywhere") {
  for (const CheckpointOptions& options : {CheckpointOptions{.softmax1 = true},
                                           {.attention_prune = 0.03},
                                           {.softmax1 = true, .attention_prune = 0.01, .attention_log_bits = 3}}) {
    check_same_bytes_everywhere(quantized_tiny_model({.gamma = -0.01, .checkpoint = options}),
                                random_batch(24, 70, 50));
  }
}

TEST_CASE("gated MiniLM gives the same bytes for every ISA, thread count, batch and order") {
  check_same_bytes_everywhere(quantized_real_model(), random_batch(16, 6, 30000));
}

TEST_CASE("long sequences are cut between threads without changing a bit") {
  const Model model = quantized_real_model();
  TokenBatch batch = random_batch(1, 1, 30000);
  while (batch.sequences[0].ids.size() < 512)
    batch.sequences[0].ids.push_back(static_cast<std::int32_t>(batch.sequences[0].ids.size()));
  Workspace one({.threads = 1}), seven({.threads = 7});
  const Engine engine(model);
  CHECK(equal_bytes(engine.run(batch, one), engine.run(batch, seven)));
}

TEST_CASE("a batch of more rows than run together has the bytes of its sequences alone, pooled or not") {
  const Model model = quantized_tiny_model();
  const Engine engine(model);
  Workspace workspace({.threads = 1});
  const TokenBatch batch = random_batch(300, 70, 50);
  const Tensor rows = engine.run(batch, workspace), means = engine.pool(batch, {Pooling::mean}, workspace);
  REQUIRE(rows.rows() > 2 * 4096);
  std::int64_t row = 0;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const TokenBatch one{{batch.sequences[i]}};
    const Tensor alone = engine.run(one, workspace);
    for (std::int64_t j = 0; j < alone.rows(); ++j, ++row)
      REQUIRE(std::ranges::equal(alone.row<float>(j), rows.row<float>(row)));
    REQUIRE(equal_bytes(engine.pool(one, {Pooling::mean}, workspace), row_of(means, i)));
  }
  CHECK(row == rows.rows());
}

TEST_CASE("int8 stays close to float32 on a tiny model, for every option of calibration") {
  const TokenBatch batch = random_batch(32, 40, 50, 99);
  Workspace workspace({.threads = 1});
  const auto cosine = [&](const TinyBertOptions& options, const CalibrationOptions& calibration) {
    const Tensor reference = Engine(tiny_model(options)).run(batch, workspace);
    return mean_row_cosine(Engine(quantized_tiny_model(options, calibration)).run(batch, workspace), reference);
  };
  CHECK(cosine({}, {}) > 0.995);
  CHECK(cosine({.gamma = -0.02, .zeta = 1.003}, {}) > 0.995);
  CHECK(cosine({.activation = "relu"}, {}) > 0.995);
  CHECK(cosine({.hidden_size = 50, .heads = 5, .head_size = 24, .types = 0}, {}) > 0.995);
  CHECK(cosine({}, {.ranges = {.method = RangeMethod::running_minmax}}) > 0.98);
  CHECK(cosine({}, {.weights = {.scales = WeightScales::per_tensor}}) > 0.99);
  CHECK(cosine({}, {.activations = {.residual = ResidualType::int8}}) > 0.98);
}

TEST_CASE("bad batches are errors, and engine and workspace stay usable") {
  const Engine engine(quantized_tiny_model());
  Workspace workspace({.threads = 2});
  const TokenBatch good = random_batch(2, 5, 50);
  const Tensor before = engine.run(good, workspace);
  const Tokens bad[] = {{.ids = {}},
                        {.ids = {50}},
                        {.ids = {-1}},
                        {.ids = {1, 2}, .type_ids = {0}},
                        {.ids = {1}, .type_ids = {2}},
                        {.ids = std::vector<std::int32_t>(81, 1)}};
  for (const Tokens& tokens : bad) CHECK_THROWS_AS(engine.run({{good.sequences[0], tokens}}, workspace), Error);
  CHECK_THROWS_AS(engine.run(TokenBatch{}, workspace), Error);
  CHECK_THROWS_AS(engine.pool(good, {}, workspace), Error);
  CHECK(equal_bytes(engine.run(good, workspace), before));
}

TEST_CASE("a profile has a time for every op that ran, and only since it was last taken") {
  const TokenBatch batch = random_batch(3, 9, 50);
  for (const Engine& engine : {Engine(quantized_tiny_model()), Engine(tiny_model())}) {
    Workspace workspace({.threads = 1, .profile = true});
    engine.run(batch, workspace);
    const std::vector<OpTime> times = workspace.take_profile();
    REQUIRE(times.size() > 8);
    CHECK(times[0].op == "EmbedTokens");
    CHECK(times.back().op == "LayerNorm");
    for (const OpTime& time : times)
      CHECK(engine.model().summary().find(time.op + " " + time.name) != std::string::npos);
    CHECK(std::all_of(times.begin(), times.end(), [](const OpTime& time) { return time.seconds > 0; }));
    CHECK(workspace.take_profile().empty());
    Workspace plain({.threads = 1});
    engine.run(batch, plain);
    CHECK(plain.take_profile().empty());
  }
}

TEST_CASE("an embedding is normalised unless asked otherwise, and cls pooling is the first row") {
  const Engine engine(quantized_tiny_model());
  Workspace workspace({.threads = 1});
  const TokenBatch batch = random_batch(3, 9, 50);
  const Tensor unit = embed(engine, batch, workspace);
  for (std::size_t i = 0; i < 3; ++i) {
    double squares = 0.0;
    for (const float x : unit.as<float>().subspan(i * 48, 48)) squares += double{x} * double{x};
    CHECK(squares == Approx(1.0).epsilon(1e-6));
  }
  const Tensor cls = embed(engine, batch, workspace, {.pooling = {Pooling::cls}, .normalize = false});
  CHECK(equal_bytes(row_of(cls, 0), row_of(engine.run(batch, workspace), 0)));
}

}  // namespace octavo::test
