// Softmax-1, sinks, pruned and logarithmic attention of whole models: float32 against formulas, integers against
// float32, files.
#include "float/float_executor.h"
#include "graph/model_data.h"
#include "integer/integer_executor.h"
#include "runtime/ragged.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/analysis.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <cmath>
#include <fstream>
#include <map>

namespace octavo::test {
namespace {

/// exp / (exp(sink) + sum), clipped, pruned and put on levels, in double.
std::vector<double> expected_row(std::span<const float> scores, const ClippedSoftmax& softmax, double sink) {
  double sum = softmax.softmax1 || softmax.sink ? std::exp(sink) : 0.0;
  for (const float score : scores) sum += std::exp(double{score});
  std::vector<double> row;
  for (const float score : scores) {
    double p = std::exp(double{score}) / sum;
    p = std::clamp((softmax.zeta - softmax.gamma) * p + softmax.gamma, 0.0, 1.0);
    if (p <= softmax.prune) p = 0.0;
    if (p > 0.0 && softmax.log_bits > 0) {
      const int count = (1 << softmax.log_bits) - 1;
      const double step = -std::log(softmax.prune) / count;
      const int level = std::min(count - 1, static_cast<int>(std::log(p / softmax.prune) / step));
      p = softmax.prune * std::exp((level + 0.5) * step);
    }
    row.push_back(p);
  }
  return row;
}

struct Attention {
  std::vector<float> scores, probabilities;  ///< sinks behind the scores
};

/// Scores and probabilities of the first layer on one sequence, as the float executor has them.
Attention first_attention(const Model& model, const TokenBatch& batch) {
  Attention result;
  const Transform watch = [&](std::string_view name, std::span<float> values) {
    if (name.find("layer.0.") == std::string_view::npos) return;
    if (name.ends_with(".scores")) result.scores.assign(values.begin(), values.end());
    if (name.ends_with(".probs")) result.probabilities.assign(values.begin(), values.end());
  };
  const auto data = std::make_shared<const Model::Data>(data_of(model));
  Workspace workspace({.threads = 1});
  FloatExecutor(data).run(make_ragged(batch, model.info()), data_of(workspace),
                          {.stages = ObserveStages::all, .transform = watch});
  return result;
}

/// A model file without the name of the directory that it was made from.
std::string file_bytes(const Model& model) {
  TemporaryDirectory directory;
  model.save(directory / "m.octavo");
  std::ifstream in(directory / "m.octavo", std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(in), {}};
  return bytes.erase(bytes.find(model.info().name), model.info().name.size());
}

const TinyBertOptions kVariants[] = {
    {.softmax1 = true},
    {.gamma = -0.02, .zeta = 1.05, .softmax1 = true},
    {.sink = true},
    {.gamma = -0.02, .zeta = 1.05, .sink = true, .checkpoint = {.attention_prune = 0.01}},
    {.sink = true, .checkpoint = {.attention_prune = 0.01, .attention_log_bits = 4}},
    {.checkpoint = {.attention_prune = 0.02}},
    {.gamma = -0.01, .checkpoint = {.attention_prune = 0.03}},
    {.checkpoint = {.attention_prune = 1e-3, .attention_log_bits = 3}},
    {.checkpoint = {.softmax1 = true, .attention_prune = 0.01, .attention_log_bits = 4}},
};

}  // namespace

TEST_CASE("float32 probabilities are exp(x) / (exp(sink) + sum), clipped, then pruned, then put on levels") {
  const TokenBatch batch = random_batch(1, 30, 50, 5);
  for (const TinyBertOptions& options : kVariants) {
    const Model model = tiny_model(options);
    const Attention attention = first_attention(model, batch);
    const std::size_t length = batch.sequences[0].ids.size();
    REQUIRE(attention.probabilities.size() == 3 * length * length);
    REQUIRE(attention.scores.size() == attention.probabilities.size() + (options.sink ? 3 : 0));
    int wrong = 0;  // a probability at an edge may fall to either side
    for (std::size_t first = 0; first < attention.probabilities.size(); first += length) {
      const double sink = options.sink ? attention.scores[3 * length * length + first / length / length] : 0.0;
      const auto expected =
          expected_row(std::span(attention.scores).subspan(first, length), model.info().softmax, sink);
      for (std::size_t i = 0; i < length; ++i) {
        wrong += std::abs(attention.probabilities[first + i] - expected[i]) > 1e-5;
      }
    }
    CHECK(wrong <= 1);
  }
}

TEST_CASE("integers follow float32 with softmax-1, sinks, pruning and levels, and a file keeps them") {
  const TokenBatch batch = random_batch(16, 40, 50, 9);
  Workspace workspace({.threads = 2});
  for (const TinyBertOptions& options : kVariants) {
    const Model model = quantized_tiny_model(options);
    const Tensor integers = Engine(model).run(batch, workspace),
                 exact = Engine(tiny_model(options)).run(batch, workspace);
    const double cosine = mean_row_cosine(integers, exact);
    CAPTURE(options.softmax1, options.gamma, options.checkpoint.attention_prune, options.checkpoint.attention_log_bits);
    CHECK(cosine > (options.checkpoint.attention_log_bits > 0 ? 0.99 : 0.995));
    TemporaryDirectory directory;
    model.save(directory / "m.octavo");
    const Model again = Model::from_file(directory / "m.octavo");
    CHECK(again.info().softmax.softmax1 == model.info().softmax.softmax1);
    CHECK(again.info().softmax.sink == model.info().softmax.sink);
    CHECK(again.info().softmax.prune == model.info().softmax.prune);
    CHECK(again.info().softmax.log_bits == model.info().softmax.log_bits);
    const Tensor from_file = Engine(again).run(batch, workspace);
    CHECK(std::ranges::equal(from_file.as<float>(), integers.as<float>()));
  }
}

TEST_CASE("each of softmax-1, sinks, pruning and levels changes a model, and tau 0 is off") {
  const std::string plain = file_bytes(quantized_tiny_model());
  CHECK((plain.find("softmax1") == std::string::npos));
  CHECK((plain.find("sink") == std::string::npos));
  CHECK((plain.find("prune\\") == std::string::npos));
  CHECK((file_bytes(quantized_tiny_model({.checkpoint = {.softmax1 = false, .attention_prune = 0.0}})) == plain));
  const TokenBatch batch = random_batch(4, 40, 50, 9);
  Workspace workspace({.threads = 1});
  const Tensor before = Engine(quantized_tiny_model()).run(batch, workspace);
  for (const TinyBertOptions& options : kVariants) {
    const Tensor after = Engine(quantized_tiny_model(options)).run(batch, workspace);
    CHECK_FALSE(std::ranges::equal(before.as<float>(), after.as<float>()));
  }
}

TEST_CASE("the zeros of pruned attention are reported, and grow with tau") {
  Workspace workspace({.threads = 2});
  const std::vector<TokenBatch> batches = {random_batch(1, 30, 50, 5)};
  double before = -1.0;
  for (const double tau : {0.0, 0.005, 0.02, 0.1}) {
    const Analysis analysis =
        analyze(tiny_model({.gate = false, .checkpoint = {.attention_prune = tau}}), batches, workspace);
    CHECK(analysis.zeros > before);
    before = analysis.zeros;
    for (const AttentionMap& map : analysis.maps) {
      const auto zeros = std::ranges::count(map.probabilities, 0.0f);
      const auto& layer = *std::ranges::find(analysis.attention, map.name, &AttentionAnalysis::name);
      CHECK(layer.zeros[static_cast<std::size_t>(map.head)] ==
            Approx(static_cast<double>(zeros) / map.length / map.length));
    }
  }
  CHECK(before > 0.5);
}

TEST_CASE("analyses say what sinks take, and how many gates are closed and open") {
  Workspace workspace({.threads = 2});
  const std::vector<TokenBatch> batches = {random_batch(3, 30, 50, 5), random_batch(1, 17, 50, 6)};
  const Analysis analysis = analyze(
      tiny_model({.sink = true, .gate_type = "conditional_per_element", .gate_kind = "dense"}), batches, workspace);
  REQUIRE(analysis.attention.size() == 2);
  for (const AttentionAnalysis& layer : analysis.attention) {
    REQUIRE(layer.sink.size() == 3);
    CHECK((layer.sink[0] + layer.sink[1] + layer.sink[2]) / 3 + layer.row_sum == Approx(1.0).epsilon(1e-5));
    CHECK((layer.gate_low < 0.1) == (layer.gate_closed > 0.1));
    CHECK((layer.gate_high > 0.9) == (layer.gate_open > 0.1));
    CHECK(layer.gate_closed + layer.gate_open < 1.0);
  }
}

TEST_CASE("the zeros of codes are those of the kernel's probabilities, and no fewer than pruning makes") {
  Workspace workspace({.threads = 2});
  const std::vector<TokenBatch> batches = {random_batch(3, 30, 50, 5), random_batch(1, 17, 50, 6)};
  for (const TinyBertOptions& options :
       {TinyBertOptions{}, {.checkpoint = {.attention_prune = 0.02}}, {.gamma = -0.05}}) {
    const Model model = quantized_tiny_model(options);
    const Analysis analysis = analyze(tiny_model(options), batches, workspace, {.quantized = model});
    std::map<std::string, std::vector<double>>
        recounted;  // of the first layer to have them: sums over sequences per head
    double pairs = 0;
    for (const TokenBatch& batch : batches) {
      const RaggedBatch ragged = make_ragged(batch, model.info());
      struct Seen {
        const Model& model;
        const RaggedBatch& batch;
        std::map<std::string, std::vector<double>>& counts;
      } seen{model, ragged, recounted};
      const auto observe = [](void* context, std::size_t node, const NodeCodes& codes) {
        const Seen& to = *static_cast<const Seen*>(context);
        const Graph& graph = data_of(to.model).graph;
        const auto* attention = std::get_if<AttentionOp>(&graph.nodes[node].op);
        if (!attention) return;
        std::vector<double>& counts = to.counts[graph.name(graph.nodes[node].output)];
        counts.resize(static_cast<std::size_t>(attention->heads));
        auto code = codes.probabilities.begin();
        for (int i = 0; i < to.batch.sequences(); ++i) {
          for (double& count : counts) {
            for (int pair = 0; pair < to.batch.length(i) * to.batch.length(i); ++pair) count += *code++ == 0;
          }
        }
      };
      for (int i = 0; i < ragged.sequences(); ++i) pairs += ragged.length(i) * ragged.length(i);
      IntegerExecutor(std::make_shared<const Model::Data>(data_of(model)), kernels::Isa::scalar)
          .run(data_of(model).graph.hidden(), ragged, data_of(workspace), observe, &seen);
    }
    for (const AttentionAnalysis& layer : analysis.attention) {
      REQUIRE(layer.zero_codes.size() == recounted.at(layer.name).size());
      for (std::size_t h = 0; h < layer.zero_codes.size(); ++h) {
        CHECK(layer.zero_codes[h] == Approx(recounted.at(layer.name)[h] / pairs));
        if (options.checkpoint.attention_prune > 0 || options.gamma < 0)
          CHECK(layer.zero_codes[h] > 0.9 * layer.zeros[h]);
      }
    }
  }
}

TEST_CASE("pruning and levels out of range, and sinks that are said twice or not at all, are Errors") {
  const auto refusal = [](const TinyBertOptions& options) -> std::string {
    try {
      tiny_model(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no Error";
  };
  CHECK(refusal({.checkpoint = {.attention_prune = 1.0}}).find("attention pruning is 1.0") != std::string::npos);
  CHECK(refusal({.checkpoint = {.attention_prune = -0.1}}).find("attention pruning is -0.1") != std::string::npos);
  CHECK(refusal({.checkpoint = {.attention_log_bits = 3}}).find("expected 1 to 4 bits and pruning above 0") !=
        std::string::npos);
  CHECK(refusal({.checkpoint = {.attention_prune = 0.1, .attention_log_bits = 5}}).find("has 5 bits") !=
        std::string::npos);
  CHECK(refusal({.sink = true, .checkpoint = {.softmax1 = true}}).find("softmax1, which is a sink of 0, and") !=
        std::string::npos);
  TinyBert unsaid({.sink = true});
  unsaid.config["attention_method"]["softmax"].erase("sink");
  TemporaryDirectory directory;
  unsaid.write(directory.path());
  CHECK_THROWS_WITH(Model::from_checkpoint(directory.path()),
                    Catch::Contains("does not say attention_method.softmax.sink"));
}

}  // namespace octavo::test
