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
#include <map>

namespace octavo::test {
namespace {

struct Variant {
  const char *type, *kind;
  int hidden = 5;
  const char* activation = "sigmoid";
};

const Variant kVariants[] = {{"unconditional_per_head", "linear"},
                             {"conditional_per_head", "linear"},
                             {"conditional_per_head", "mlp", 3},
                             {"conditional_per_head", "all_heads"},
                             {"conditional_per_token", "linear"},
                             {"conditional_per_token", "mlp", 1},
                             {"conditional_per_token", "mlp", 5},
                             {"conditional_per_token", "mlp", 40},
                             {"conditional_per_token", "all_heads"},
                             {"conditional_per_element", "dense"},
                             {"conditional_per_element", "query"},
                             {"unconditional_per_head", "linear", 5, "softplus"},
                             {"conditional_per_head", "linear", 5, "softplus"},
                             {"conditional_per_token", "mlp", 5, "softplus"},
                             {"conditional_per_element", "dense", 5, "softplus"}};

TinyBertOptions options_of(const Variant& variant) {
  return {.gate_type = variant.type,
          .gate_kind = variant.kind,
          .gate_activation = variant.activation,
          .gate_hidden = variant.hidden};
}

constexpr int kHeads = 3, kHeadSize = 20, kColumns = 48, kSlice = 16;
const std::string kSelf = "encoder.layer.1.attention.self.", kAlpha = kSelf + "alpha";

/// What the variant makes of a logit, without scale.
double gate_of(const Variant& variant, double x) {
  return std::string(variant.activation) == "softplus" ? std::log1p(std::exp(x)) : 1.0 / (1.0 + std::exp(-x));
}

bool per_element(const Variant& variant) { return std::string(variant.type) == "conditional_per_element"; }

/// The formula of method and kind in double, for tokens x [rows][48] of one sequence: logits [rows][heads], or of each
/// element of the context.
std::vector<double> logits(const Variant& variant, const TinyBert& bert, std::span<const float> x) {
  const bool in_query = std::string(variant.kind) == "query";
  const auto value = [&](const std::string& name, int i) {
    return double{
        bert.tensors.at((in_query ? kSelf + "query" : kAlpha) + name).as<float>()[static_cast<std::size_t>(i)]};
  };
  const int rows = static_cast<int>(x.size()) / kColumns;
  const auto input = [&](int row, int column) { return double{x[static_cast<std::size_t>(row * kColumns + column)]}; };
  const auto row_of = [&](const std::string& name, int n, int row, int first, int width) {
    double sum = value(name + ".bias", n);
    for (int k = 0; k < width; ++k) sum += value(name + ".weight", n * width + k) * input(row, first + k);
    return sum;
  };
  std::vector<double> result;
  for (int row = 0; per_element(variant) && row < rows; ++row) {
    for (int n = 0; n < kHeads * kHeadSize; ++n) {
      const int of_query = n / kHeadSize * 2 * kHeadSize + kHeadSize + n % kHeadSize;
      result.push_back(row_of("", in_query ? of_query : n, row, 0, kColumns));
    }
  }
  for (int row = 0; !per_element(variant) && row < rows; ++row) {
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

/// Logits that an integer run used in layer 1, [rows][heads], or of each element of the context; one row for a gate
/// that has one per sequence.
std::vector<int> integer_logits(const Variant& variant, const Model& quantized, const TokenBatch& batch) {
  struct Seen {
    std::vector<int> logits;
    const Graph* graph;
    int rows, columns;
  } seen{.logits = {},
         .graph = &data_of(quantized).graph,
         .rows = static_cast<int>(batch.sequences[0].ids.size()),
         .columns = per_element(variant) ? kHeads * kHeadSize : kHeads};
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
              for (int h = 0; h < to.columns; ++h) to.logits.push_back(codes.gate[i * codes.gate_stride + h]);
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
    for (std::size_t i = 0; i < gate.size(); ++i)
      CHECK(double{gate[i]} == Approx(gate_of(variant, expected[i])).margin(4e-6));
  }
}

TEST_CASE("a gate per element multiplies each element of the context in float32") {
  for (const char* activation : {"sigmoid", "softplus"}) {
    const Model model =
        tiny_model({.gate_type = "conditional_per_element", .gate_kind = "dense", .gate_activation = activation});
    const FloatExecutor executor(shared_data_of(model));
    Workspace::Data workspace(1);
    std::map<std::string, std::vector<float>, std::less<>> seen;
    const Observer keep = [&](std::string_view name, std::span<const float> values, int) {
      seen[std::string(name)].assign(values.begin(), values.end());
    };
    executor.run(make_ragged(random_batch(1, 30, 50, 11), model.info()), workspace,
                 {.observer = keep, .stages = ObserveStages::all});
    const auto &p = seen.at(kSelf + "probs"), &v = seen.at(kSelf + "value"), &gate = seen.at(kSelf + "gate"),
               &context = seen.at("encoder.layer.1.attention.self");
    const std::size_t width = kHeads * kHeadSize, rows = context.size() / width;
    REQUIRE(gate.size() == context.size());
    for (std::size_t i = 0; i < context.size(); ++i) {
      const std::size_t row = i / width, column = i % width, head = column / kHeadSize;
      double sum = 0.0;
      for (std::size_t j = 0; j < rows; ++j) sum += double{p[(head * rows + row) * rows + j]} * v[j * width + column];
      CHECK(context[i] == Approx(model.info().gate_scale * gate[i] * sum).margin(1e-5));
    }
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
    std::vector<int> found = integer_logits(variant, quantized, batch);
    if (std::string(variant.type) == "conditional_per_head") found.resize(kHeads);
    if (std::string(variant.type) == "unconditional_per_head") {
      const auto constants =
          tensor(data_of(quantized).tensors, "encoder.layer.1.attention.self.gate").as<std::int16_t>();
      found.assign(constants.begin(), constants.end());
    }
    const bool softplus = std::string(variant.activation) == "softplus";
    const bool is_gate = softplus && std::string(variant.type) == "unconditional_per_head";
    double mean = 0.0, largest = 0.0;  // layer 0 has 8-bit errors of its own
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double integer = is_gate ? found[i] / 4096.0 : gate_of(variant, found[i] / 2048.0);
      const double error = std::abs(integer - gate_of(variant, expected[i]));
      mean += error / static_cast<double>(found.size());
      largest = std::max(largest, error);
    }
    CHECK(mean < (softplus ? 0.08 : 0.02));
    CHECK(largest < (softplus ? 0.4 : 0.1));
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

TEST_CASE("a gate under its published name needs no attention_method, and no bias") {
  for (const bool dense : {false, true}) {
    TinyBert bert({.gate_kind = dense ? "dense" : "all_heads"});
    bert.config.erase("attention_method");
    const Model model = model_of([&] {
      TinyBert renamed = bert;
      renamed.tensors.clear();
      for (const auto& [name, tensor] : bert.tensors) {
        const std::size_t at = name.find("alpha.weight");
        if (name.ends_with("alpha.bias")) continue;
        renamed.tensors.emplace(at == std::string::npos ? name : name.substr(0, at) + "g_proj.weight", tensor);
      }
      return renamed;
    }());
    CHECK(model.info().gate == (dense ? "conditional_per_element (dense)" : "conditional_per_token (all_heads)"));
    CHECK(model.info().gate_scale == 1.0);
  }
}

TEST_CASE("gates that contradict themselves are refused by name") {
  const auto refuse = [](const TinyBertOptions& options, const std::string& message) {
    CHECK_THROWS_WITH(tiny_model(options), Catch::Contains(message));
  };
  refuse({.gate_type = "conditional_per_token", .gate_kind = "dense"},
         "that are dense, expected conditional_per_token");
  refuse({.gate_type = "conditional_per_element", .gate_kind = "all_heads"}, "that are all_heads, expected");
  refuse({.gate_type = "conditional_per_token", .gate_kind = "query"}, "of kind query, expected type");
  refuse({.gate_activation = "relu"}, "sigmoid or softplus");
  refuse({.gate_type = "per_element"}, "conditional_per_element");
}

}  // namespace octavo::test
