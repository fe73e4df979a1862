// Every gate of the method: detected by tensors, in float against its formula in double, in integers against the float
// gate.
#include "float/float_executor.h"
#include "integer/integer_executor.h"
#include "runtime/workspace.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

#include <cmath>

namespace octavo::test {
namespace {

struct Variant {
  const char *type, *kind;
  int hidden = 5;
};

const Variant kVariants[] = {{"unconditional_per_head", "linear"},  {"conditional_per_head", "linear"},
                             {"conditional_per_head", "mlp", 3},    {"conditional_per_head", "all_heads"},
                             {"conditional_per_token", "linear"},   {"conditional_per_token", "mlp", 1},
                             {"conditional_per_token", "mlp", 5},   {"conditional_per_token", "mlp", 40},
                             {"conditional_per_token", "all_heads"}};

TinyBertOptions options_of(const Variant& variant) {
  return {.gate_type = variant.type, .gate_kind = variant.kind, .gate_hidden = variant.hidden};
}

constexpr int kHeads = 3, kColumns = 48, kSlice = 16;
const std::string kAlpha = "encoder.layer.1.attention.self.alpha";

/// The formula of method and kind in double, for tokens x [rows][48] of one sequence: logits [rows][heads].
std::vector<double> logits(const Variant& variant, const TinyBert& bert, std::span<const float> x) {
  const auto value = [&](const std::string& name, int i) {
    return double{bert.tensors.at(kAlpha + name).as<float>()[static_cast<std::size_t>(i)]};
  };
  const int rows = static_cast<int>(x.size()) / kColumns;
  const auto input = [&](int row, int column) { return double{x[static_cast<std::size_t>(row * kColumns + column)]}; };
  const auto row_of = [&](const std::string& name, int n, int row, int first, int width) {
    double sum = value(name + ".bias", n);
    for (int k = 0; k < width; ++k) sum += value(name + ".weight", n * width + k) * input(row, first + k);
    return sum;
  };
  std::vector<double> result;
  for (int row = 0; row < rows; ++row) {
    for (int h = 0; h < kHeads; ++h) {
      const std::string own = "." + std::to_string(h), kind = variant.kind;
      if (std::string(variant.type) == "unconditional_per_head")
        result.push_back(value("", h));
      else if (kind == "all_heads")
        result.push_back(row_of("", h, row, 0, kColumns));
      else if (kind == "linear")
        result.push_back(row_of(own, 0, row, h * kSlice, kSlice));
      else {
        double sum = value(own + ".2.bias", 0);
        for (int n = 0; n < variant.hidden; ++n) {
          sum += value(own + ".2.weight", n) * std::max(row_of(own + ".0", n, row, h * kSlice, kSlice), 0.0);
        }
        result.push_back(sum);
      }
    }
  }
  if (std::string(variant.type) == "conditional_per_head") {
    for (int h = 0; h < kHeads; ++h) {
      double mean = 0.0;
      for (int row = 0; row < rows; ++row) mean += result[static_cast<std::size_t>(row * kHeads + h)] / rows;
      for (int row = 0; row < rows; ++row) result[static_cast<std::size_t>(row * kHeads + h)] = mean;
    }
  }
  return result;
}

Model model_of(const TinyBert& bert) {
  TemporaryDirectory directory;
  bert.write(directory.path());
  return Model::from_checkpoint(directory.path());
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// Logits that an integer run used in layer 1, [rows][heads]; one row for a gate that has one per sequence.
std::vector<int> integer_logits(const Model& quantized, const TokenBatch& batch) {
  struct Seen {
    std::vector<int> logits;
    const Graph* graph;
    int rows;
  } seen{.logits = {}, .graph = &data_of(quantized).graph, .rows = static_cast<int>(batch.sequences[0].ids.size())};
  const std::shared_ptr<const Model::Data> data = shared_data_of(quantized);
  Workspace::Data workspace(1);
  IntegerExecutor(data, kernels::Isa::scalar)
      .run(
          data->graph.hidden(), make_ragged(batch, data->info), workspace,
          [](void* context, std::size_t node, const NodeCodes& codes) {
            auto& to = *static_cast<Seen*>(context);
            if (to.graph->name(static_cast<ValueId>(node)) != "encoder.layer.1.attention.self.qkv") return;
            if (!codes.gate) return;  // a gate without conditions is no part of the product
            for (int i = 0; i < to.rows; ++i) {
              for (int h = 0; h < kHeads; ++h) to.logits.push_back(codes.gate[i * codes.gate_stride + h]);
            }
          },
          &seen);
  return seen.logits;
}

}  // namespace

TEST_CASE("each gate in float32 is the formula in double over its own slice of the attention input") {
  for (const Variant& variant : kVariants) {
    INFO(variant.type << " " << variant.kind << " " << variant.hidden);
    const TinyBert bert(options_of(variant));
    const Model model = model_of(bert);
    const FloatExecutor executor(shared_data_of(model));
    Workspace::Data workspace(1);
    std::vector<float> input, gate;
    const Observer keep = [&](std::string_view name, std::span<const float> values, int) {
      if (name == "encoder.layer.0.output.LayerNorm") input.assign(values.begin(), values.end());
      if (name == "encoder.layer.1.attention.self.gate") gate.assign(values.begin(), values.end());
    };
    executor.run(make_ragged(random_batch(1, 30, 50, 11), model.info()), workspace,
                 {.observer = keep, .stages = ObserveStages::all});
    const std::vector<double> expected = logits(variant, bert, input);
    REQUIRE(gate.size() == expected.size());
    for (std::size_t i = 0; i < gate.size(); ++i) CHECK(double{gate[i]} == Approx(sigmoid(expected[i])).margin(2e-6));
  }
}

TEST_CASE("an integer gate is close to the float one, whatever its type and kind") {
  for (const Variant& variant : kVariants) {
    INFO(variant.type << " " << variant.kind << " " << variant.hidden);
    const TinyBert bert(options_of(variant));
    const Model model = model_of(bert), quantized = quantized_tiny_model(options_of(variant));
    const TokenBatch batch = random_batch(1, 30, 50, 11);
    const FloatExecutor executor(shared_data_of(model));
    Workspace::Data workspace(1);
    std::vector<float> input;
    const Observer keep = [&](std::string_view name, std::span<const float> values, int) {
      if (name == "encoder.layer.0.output.LayerNorm") input.assign(values.begin(), values.end());
    };
    executor.run(make_ragged(batch, model.info()), workspace, {.observer = keep});
    const std::vector<double> expected = logits(variant, bert, input);
    std::vector<int> found = integer_logits(quantized, batch);
    if (std::string(variant.type) == "conditional_per_head") found.resize(kHeads);
    if (std::string(variant.type) == "unconditional_per_head") {
      const auto constants =
          tensor(data_of(quantized).tensors, "encoder.layer.1.attention.self.gate").as<std::int16_t>();
      found.assign(constants.begin(), constants.end());
    }
    double mean = 0.0, largest = 0.0;  // layer 0 has 8-bit errors of its own
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double error = std::abs(sigmoid(found[i] / 2048.0) - sigmoid(expected[i]));
      mean += error / static_cast<double>(found.size());
      largest = std::max(largest, error);
    }
    CHECK(mean < 0.02);
    CHECK(largest < 0.1);
  }
}

TEST_CASE(
    "models with each gate agree with float32, and bit for bit over files, instruction sets, threads and batches") {
  for (const Variant& variant : kVariants) {
    INFO(variant.type << " " << variant.kind << " " << variant.hidden);
    const Model model = tiny_model(options_of(variant)), made = quantized_tiny_model(options_of(variant));
    TemporaryDirectory directory;
    made.save(directory.path() / "m.octavo");
    const Model loaded = Model::from_file(directory.path() / "m.octavo");
    CHECK(loaded.info().gate == model.info().gate);
    const TokenBatch batch = random_batch(20, 40, 50);
    Workspace one({.threads = 1}), three({.threads = 3});
    const Tensor expected = Engine(made, {.isa = "scalar"}).run(batch, one);
    CHECK(mean_row_cosine(expected, Engine(model).run(batch, one)) > 0.99);
    for (const std::string& isa : available_isas()) {
      const Engine engine(loaded, {.isa = isa});
      const Tensor found = engine.run(batch, three);
      CHECK(std::ranges::equal(found.as<float>(), expected.as<float>()));
      std::vector<float> alone;
      for (const Tokens& sequence : batch.sequences) {
        const Tensor row = engine.run({{sequence}}, one);
        alone.insert(alone.end(), row.as<float>().begin(), row.as<float>().end());
      }
      CHECK(std::ranges::equal(alone, expected.as<float>()));
    }
  }
}

TEST_CASE("the gate type of a checkpoint that does not say it comes from the options; a scale does too") {
  TinyBert bert({.gate_kind = "mlp"});
  bert.config["attention_method"].erase("gate");
  TemporaryDirectory directory;
  bert.write(directory.path());
  const Model model =
      Model::from_checkpoint(directory.path(), {.gate_type = GateType::conditional_per_head, .gate_scale = 2.0});
  CHECK(model.info().gate == "conditional_per_head (mlp)");
  CHECK(model.info().gate_scale == 2.0);
  TinyBert learned({.gate_type = "unconditional_per_head"});
  learned.config["attention_method"].erase("gate");
  CHECK(model_of(learned).info().gate == "unconditional_per_head");  // its shape leaves nothing open
}

}  // namespace octavo::test
