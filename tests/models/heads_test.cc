// Heads of text encoders as outputs of the graph: PyTorch's values in float32, and the same bits on every instruction
// set in integers.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"
#include "octavo/error.h"
#include "octavo/tasks.h"

#include <algorithm>
#include <cmath>

namespace octavo::test {
namespace {

/// Texts of a golden file, one batch each.
TokenBatch text_of(const SafetensorsFile& golden, int index) {
  const std::string prefix = std::to_string(index) + ".";
  const auto ids = golden.tensors.at(prefix + "input_ids").as<std::int32_t>();
  Tokens tokens{.ids = {ids.begin(), ids.end()}};
  if (const auto types = golden.tensors.find(prefix + "token_type_ids"); types != golden.tensors.end()) {
    const auto values = types->second.as<std::int32_t>();
    tokens.type_ids.assign(values.begin(), values.end());
  }
  return {{tokens}};
}

/// Compares every output that the golden file has.
void compare_outputs(const std::filesystem::path& checkpoint, const std::filesystem::path& golden_file) {
  const SafetensorsFile golden = read_safetensors(golden_file);
  const Engine engine(Model::from_checkpoint(checkpoint));
  Workspace workspace({.threads = 2});
  int compared = 0;
  for (int i = 0; golden.tensors.contains(std::to_string(i) + ".input_ids"); ++i) {
    const TokenBatch batch = text_of(golden, i);
    const auto expected = [&](const char* name) {
      const auto found = golden.tensors.find(std::to_string(i) + "." + name);
      return found == golden.tensors.end() ? nullptr : &found->second;
    };
    const auto check = [&](const Tensor* want, std::span<const float> found) {
      CHECK(largest_difference(found, want->as<float>()) < 1e-4);
      ++compared;
    };
    if (const Tensor* want = expected("pooler_output"))
      check(want, engine.output("pooler_output", batch, workspace).as<float>());
    if (const Tensor* want = expected("logits")) check(want, engine.output("logits", batch, workspace).as<float>());
    if (const Tensor* start = expected("start_logits")) {
      const Tensor both = engine.output("logits", batch, workspace);
      std::vector<float> first, second;
      for (std::size_t row = 0; row < static_cast<std::size_t>(both.rows()); ++row) {
        first.push_back(both.as<float>()[2 * row]);
        second.push_back(both.as<float>()[2 * row + 1]);
      }
      check(start, first);
      check(expected("end_logits"), second);
    }
    if (const Tensor* want = expected("masked_logits")) {
      const Tensor all = engine.output("logits", batch, workspace);
      const auto columns = static_cast<std::size_t>(all.columns());
      std::vector<float> chosen;
      for (const std::int32_t row : expected("masked_positions")->as<std::int32_t>()) {
        const auto begin =
            all.as<float>().begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(row) * columns);
        chosen.insert(chosen.end(), begin, begin + static_cast<std::ptrdiff_t>(columns));
      }
      check(want, chosen);
    }
  }
  CHECK(compared > 0);
}

struct Headed {
  const char *name, *architecture;
  int labels;
  bool masked;
};

constexpr Headed kHeads[] = {{"sequence classification", "BertForSequenceClassification", 3, false},
                             {"token classification", "BertForTokenClassification", 5, false},
                             {"masked language model", "BertForMaskedLM", 0, true}};

TinyBert with_head(const Headed& head) {
  TinyBert bert({.pooler = std::string(head.architecture) == "BertForSequenceClassification"});
  bert.config["architectures"] = {head.architecture};
  const auto dense = [&](const std::string& name, std::int64_t columns) {
    bert.add(name + ".weight", {columns, 48}, 0.2f);
    bert.add(name + ".bias", {columns}, 0.5f);
  };
  if (head.labels > 0) dense("classifier", head.labels);
  if (!head.masked) return bert;
  dense("cls.predictions.transform.dense", 48);
  bert.add("cls.predictions.transform.LayerNorm.weight", {48}, 0.1f, 1.0f);
  bert.add("cls.predictions.transform.LayerNorm.bias", {48}, 0.1f);
  bert.add("cls.predictions.bias", {50}, 2.0f);
  return bert;
}

Model calibrated(const Model& model) {
  Calibrator calibrator(model);
  Workspace workspace({.threads = 1});
  for (unsigned seed = 1; seed <= 4; ++seed) calibrator.observe(random_batch(16, 30, 50, seed), workspace);
  return calibrator.quantize().model;
}

}  // namespace

TEST_CASE("heads of trained BERTs are PyTorch's in float32", "[shared]") {
  for (const char* name : {"MiniLM-L6-sst2", "MiniLM-L6-ner", "MiniLM-L6-qa", "MiniLM-L6-mlm", "MiniLM-L6-sts-cross",
                           "MiniLM-L6-sst2-clipped"}) {
    const auto files = find_golden_model(name);
    if (!files) continue;
    INFO(name);
    compare_outputs(files->checkpoint, files->golden);
  }
}

TEST_CASE("heads of tiny BERTs and DistilBERTs are transformers' in float32", "[shared]") {
  for (const char* name : {"bert-mlm", "bert-token", "bert-relu", "distilbert-cls", "distilbert-qa"}) {
    const auto folder = shared_data(std::string("models-tiny/") + name);
    if (!folder) continue;
    INFO(name);
    const SafetensorsFile golden = read_safetensors(*folder / "golden.safetensors");
    const Engine engine(Model::from_checkpoint(*folder));
    Workspace workspace({.threads = 1});
    CHECK(largest_difference(engine.run(text_of(golden, 0), workspace).as<float>(),
                             golden.tensors.at("0.last_hidden_state").as<float>()) < 1e-4);
    compare_outputs(*folder, *folder / "golden.safetensors");
  }
}

TEST_CASE("a head of masked words has weights and bias of its own where it is not tied, else the word table's") {
  const auto logits = [](const TinyBert& bert) {
    Workspace workspace({.threads = 1});
    return Engine(bert.model()).output("logits", random_batch(2, 9, 50, 5), workspace);
  };
  const TinyBert tied = with_head(kHeads[2]);
  TinyBert both = tied;
  both.add("cls.predictions.decoder.weight", {50, 48}, 0.2f);
  both.add("cls.predictions.decoder.bias", {50}, 2.0f);
  CHECK(equal_bytes(logits(both), logits(tied)));
  both.config["tie_word_embeddings"] = false;
  TinyBert own = both;
  own.tensors.erase("cls.predictions.bias");
  CHECK(equal_bytes(logits(both), logits(own)));
  CHECK_FALSE(equal_bytes(logits(own), logits(tied)));
}

TEST_CASE("a classifier's logits are the formula over the first token's pooled row") {
  const TinyBert bert = with_head(kHeads[0]);
  const Engine engine(bert.model());
  Workspace workspace({.threads = 1});
  const TokenBatch batch = random_batch(3, 20, 50, 5);
  const Tensor hidden = engine.run(batch, workspace), logits = engine.output("logits", batch, workspace);
  REQUIRE(logits.shape() == Tensor::Shape{3, 3});
  const auto dense = [&](const std::string& name, std::span<const double> x) {
    const auto weight = bert.tensors.at(name + ".weight").as<float>(),
               bias = bert.tensors.at(name + ".bias").as<float>();
    std::vector<double> y(bias.begin(), bias.end());
    for (std::size_t i = 0; i < weight.size(); ++i) y[i / x.size()] += static_cast<double>(weight[i]) * x[i % x.size()];
    return y;
  };
  std::size_t first = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const auto row = hidden.as<float>().subspan(first * 48, 48);
    std::vector<double> pooled = dense("pooler.dense", std::vector<double>(row.begin(), row.end()));
    for (double& x : pooled) x = std::tanh(x);
    const std::vector<double> expected = dense("classifier", pooled);
    for (std::size_t j = 0; j < 3; ++j)
      CHECK(static_cast<double>(logits.as<float>()[3 * i + j]) == Approx(expected[j]).margin(1e-4));
    first += batch.sequences[i].ids.size();
  }
}

TEST_CASE("heads in integers are close to float32, and the same bits on every instruction set and number of threads") {
  const TokenBatch batch = random_batch(5, 25, 50, 77);
  for (const Headed& head : kHeads) {
    INFO(head.name);
    const Model model = with_head(head).model(), quantized = calibrated(model);
    Workspace one({.threads = 1}), three({.threads = 3});
    for (const OutputInfo& output : quantized.info().outputs) {
      INFO(output.name);
      const Tensor expected = Engine(quantized, {.isa = "scalar"}).output(output.name, batch, one);
      CHECK(similarity(expected.as<float>(), Engine(model).output(output.name, batch, one).as<float>()) > 0.995);
      for (const std::string& isa : available_isas()) {
        INFO(isa);
        CHECK(equal_bytes(Engine(quantized, {.isa = isa}).output(output.name, batch, three), expected));
      }
    }
  }
}

TEST_CASE("a bias counts once in 16-bit products: of logits that are nothing else, it is what is left") {
  TinyBert bert = with_head(kHeads[1]);
  const Tensor& weight = bert.tensors.at("classifier.weight");
  std::ranges::fill(bert.tensors.at("classifier.weight").writable<float>(), 1e-4f);
  REQUIRE(weight.columns() == 48);
  const Model quantized = calibrated(bert.model());
  Workspace workspace({.threads = 1});
  const Tensor found = Engine(quantized).output("logits", random_batch(1, 9, 50), workspace);
  const auto bias = bert.tensors.at("classifier.bias").as<float>();
  for (std::size_t i = 0; i < found.as<float>().size(); ++i)
    CHECK(found.as<float>()[i] == Approx(bias[i % 5]).margin(0.01));
}

TEST_CASE("a head of next sentences alone is the logits, of two classes, in a model file as well") {
  TinyBert bert({.pooler = true});
  bert.add("cls.seq_relationship.weight", {2, 48}, 0.2f);
  bert.add("cls.seq_relationship.bias", {2}, 0.5f);
  const Model quantized = calibrated(bert.model());
  const TemporaryDirectory directory;
  quantized.save(directory / "m.octavo");
  const Model loaded = Model::from_file(directory / "m.octavo");
  Workspace workspace({.threads = 1});
  CHECK(loaded.info().classes == 2);
  CHECK(loaded.info().task == TextTask::none);
  CHECK(Engine(loaded).output("logits", random_batch(3, 9, 50), workspace).shape() == Tensor::Shape{3, 2});
}

TEST_CASE("a classifier without a pooler is of each token where config.json does not say what saved it, else refused") {
  TinyBert bert = with_head(kHeads[1]);
  bert.config.erase("architectures");
  Workspace workspace({.threads = 1});
  CHECK(Engine(bert.model()).output("logits", {{{.ids = {1, 2, 3}}}}, workspace).shape() == Tensor::Shape{3, 5});
  bert.config["architectures"] = {"BertForSequenceClassification"};
  CHECK_THROWS_WITH(bert.model(), Catch::Contains("a classifier, but no pooler.dense.weight"));
}

TEST_CASE("an output that is not there is an Error that lists what is, and outputs survive the file") {
  const Model quantized = calibrated(with_head(kHeads[0]).model());
  Workspace workspace({.threads = 1});
  CHECK_THROWS_WITH(Engine(quantized).output("scores", random_batch(1, 4, 50), workspace),
                    Catch::Contains("no output scores; it has last_hidden_state, pooler_output, logits"));
  const TemporaryDirectory directory;
  quantized.save(directory / "m.octavo");
  const Model loaded = Model::from_file(directory / "m.octavo");
  const TokenBatch batch = random_batch(2, 9, 50);
  CHECK(loaded.info().classes == 3);
  for (const char* name : {"last_hidden_state", "pooler_output", "logits"})
    CHECK(equal_bytes(Engine(loaded).output(name, batch, workspace), Engine(quantized).output(name, batch, workspace)));
}

}  // namespace octavo::test
