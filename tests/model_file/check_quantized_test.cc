// check_quantized(): a model that breaks a contract of a kernel is refused before it runs, by the name of what does.
#include "model_file/check_quantized.h"

#include "tests/fuzz/tiny_checkpoints.h"
#include "tests/support/support.h"
#include "tests/support/tiny_opt.h"
#include "tests/support/tiny_vit.h"

#include "octavo/error.h"

#include <functional>

namespace octavo::test {
namespace {

const Model& bert() {
  static const Model model = quantized_tiny_model({}, {.activations = {.channel_splits = 0}});
  return model;
}
const Model& opt() {
  static const Model model = quantized_tiny_opt({.word_size = 20});
  return model;
}
const Model& vit() {
  static const Model model = quantized_tiny_vit();
  return model;
}

const Model& four_bit_opt() {
  static const Model model = quantized_tiny_opt(
      {.word_size = 20}, {.weights = {.bits = 4, .vocabulary_bits = 4}, .activations = {.channel_splits = 0}});
  return model;
}

/// What is said of a model after `damage`.
std::string complaint(const Model& model, const std::function<void(Model::Data&)>& damage) {
  Model::Data data = data_of(model);
  damage(data);
  try {
    check_quantized(data);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The constants of the first op of this kind.
template <typename Constants>
Constants& first(Model::Data& data) {
  for (QuantizedOp& op : data.integer->ops) {
    if (auto* found = std::get_if<Constants>(&op)) return *found;
  }
  FAIL("the model has no such op");
  throw Error("unreachable");
}

/// A copy of the tensor with one element changed, in its place.
template <typename T>
void set(Model::Data& data, const std::string& name, std::size_t index, T value) {
  const Tensor& before = data.tensors.at(name);
  Tensor after(before.dtype(), before.shape());
  std::ranges::copy(before.as<T>(), after.writable<T>().begin());
  after.writable<T>()[index] = value;
  data.tensors[name] = after;
}

const std::string kLayer = "encoder.layer.0.";

}  // namespace

TEST_CASE("what quantize() makes is accepted") {
  for (const Model& model : {bert(), opt(), vit(), four_bit_opt()}) CHECK(complaint(model, [](Model::Data&) {}) == "");
}

TEST_CASE("a tensor that is absent, of another type or of another shape is refused by name") {
  const std::string weight = kLayer + "intermediate.dense.weight";
  CHECK_THAT(complaint(bert(), [&](Model::Data& d) { d.tensors.erase(weight); }), Catch::Contains(weight));
  CHECK_THAT(complaint(bert(),
                       [&](Model::Data& d) {
                         d.tensors[weight] = Tensor(DType::u8, {96, 64});
                       }),
             Catch::Contains(weight + " is U8 [96, 64], expected I8 [96, 64]"));
  CHECK_THAT(complaint(bert(),
                       [&](Model::Data& d) {
                         d.tensors[weight] = Tensor(DType::s8, {64, 96});
                       }),
             Catch::Contains(weight + " is I8 [64, 96], expected I8 [96, 64]"));
  CHECK_THAT(complaint(bert(),
                       [](Model::Data& d) {
                         d.tensors["embeddings.word"] = Tensor(DType::s8, {49, 48});
                       }),
             Catch::Contains("embeddings.word is I8 [49, 48], expected I8 [50, 48]"));
}

TEST_CASE("a number out of its kernel's range is refused by its tensor and value") {
  const auto refuse = [](const Model& model, const std::string& name, std::int32_t value) {
    INFO(name << " " << value);
    CHECK_THAT(complaint(model, [&](Model::Data& d) { set(d, name, 1, value); }),
               Catch::Contains(name + " holds " + std::to_string(value)));
  };
  refuse(bert(), kLayer + "output.dense.bias", (1 << 30) + 1);
  refuse(bert(), kLayer + "output.dense.bias", -(1 << 30) - 1);
  refuse(bert(), kLayer + "output.dense.multiplier", -1);
  refuse(bert(), "embeddings.word_multiplier", 1 << 22);
  refuse(bert(), "embeddings.LayerNorm.bytes.offset", (1 << 30) + 1);
  refuse(opt(), "lm_head.bias", (1 << 30) + 1);
  refuse(vit(), "logits.multiplier", -1);
  CHECK_THAT(
      complaint(bert(), [](Model::Data& d) { set(d, kLayer + "intermediate.dense.gelu_offset", 0, std::int16_t{1}); }),
      Catch::Contains("gelu_offset holds 1"));
}

TEST_CASE("4-bit weights of another shape, or with a multiplier that leaves 8 bits, are refused by their tensor") {
  const std::string layer = "decoder.layers.0.fc1", multiplier = layer + ".group_multiplier";
  const auto refuse = [](const std::string& message, const std::function<void(Model::Data&)>& damage) {
    CHECK_THAT(complaint(four_bit_opt(), damage), Catch::Contains(message));
  };
  refuse(multiplier + " holds 17, expected values from -15 to 16",
         [&](Model::Data& d) { set(d, multiplier, 5, std::int8_t{17}); });
  refuse(multiplier + " holds -16", [&](Model::Data& d) { set(d, multiplier, 0, std::int8_t{-16}); });
  refuse(multiplier + " is I8 [96, 1], expected I8 [96, 2]", [&](Model::Data& d) {
    d.tensors[multiplier] = Tensor(DType::s8, {96, 1});
  });
  refuse(layer + ".weight is I8 [96, 64], expected U8 [96, 32]", [&](Model::Data& d) {
    d.tensors[layer + ".weight"] = Tensor(DType::s8, {96, 64});
  });
  refuse(layer + ".weight is U8 [96, 32], expected I8 [96, 64]", [&](Model::Data& d) { d.tensors.erase(multiplier); });
}

TEST_CASE("constants that disagree with the graph are refused by the value's name") {
  const auto refuse = [](const Model& model, const std::string& message,
                         const std::function<void(Model::Data&)>& damage) {
    INFO(message);
    CHECK_THAT(complaint(model, damage), Catch::Contains(message));
  };
  refuse(bert(), "intermediate.dense has depth 128, expected 64",
         [](Model::Data& d) { first<QuantizedLinear>(d).depth = 128; });
  refuse(bert(), "at column 32, expected 0", [](Model::Data& d) { first<QuantizedLinear>(d).block.first_column = 32; });
  refuse(bert(), "zero point of K or V", [](Model::Data& d) { first<QuantizedQkv>(d).key.encoding.zero_point = 1; });
  refuse(bert(), "its gate disagree", [](Model::Data& d) { first<QuantizedQkv>(d).gate.clear(); });
  refuse(bert(), "fine codes, which need the pieces", [](Model::Data& d) {
    first<QuantizedLinear>(d).activation_table = false;
    first<QuantizedLinear>(d).refined.fine_bits = 2;
  });
  refuse(bert(), "8-bit sums and a stream_shift", [](Model::Data& d) {
    first<QuantizedLinearAdd>(d).eight_bit = true;
    first<QuantizedLinearAdd>(d).stream_shift = 1;
  });
  refuse(bert(), "has 1 outlier columns and 0 shifts of them",
         [](Model::Data& d) { first<QuantizedLinearAdd>(d).outlier_columns = {3}; });
  const auto outliers = [](std::vector<int> columns) {
    return [=](Model::Data& d) {
      first<QuantizedLinearAdd>(d).outlier_shifts.assign(columns.size(), 1);
      first<QuantizedLinearAdd>(d).outlier_columns = columns;
    };
  };
  refuse(bert(), "has 9 outlier columns", outliers({0, 1, 2, 3, 4, 5, 6, 7, 8}));
  refuse(bert(), "outlier columns that do not ascend", outliers({4, 4}));
  refuse(bert(), "an outlier column beyond its columns", outliers({48}));
  refuse(opt(), "is added to a sum with other outlier columns", outliers({4}));
  refuse(bert(), "has outlier columns and 8-bit sums", [&](Model::Data& d) {
    outliers({4})(d);
    first<QuantizedLinearAdd>(d).eight_bit = true;
  });
  CHECK(complaint(bert(), outliers({0, 47})) == "");
  refuse(bert(), "expected one without outlier columns", [&](Model::Data& d) {
    outliers({4})(d);
    const auto sum =
        std::ranges::find_if(d.graph.nodes, [](const Node& n) { return std::holds_alternative<LinearAdd>(n.op); });
    d.graph.outputs.push_back({"sum", sum->output});
  });
  refuse(bert(), "integer constants are those of another op",
         [](Model::Data& d) { d.integer->ops[1] = QuantizedLinear{}; });
  refuse(bert(), "which is not made in 8 bits",
         [](Model::Data& d) { first<QuantizedLayerNorm>(d).bytes.exists = false; });
  refuse(bert(), "disagree about token types", [](Model::Data& d) { d.info.type_vocab_size = 0; });
  refuse(bert(), "does not have hidden_size columns", [](Model::Data& d) { d.info.hidden_size = 47; });
  refuse(bert(), "as many columns as there are classes", [](Model::Data& d) { d.info.classes = 2; });
  refuse(bert(), "predicts the next token without logits", [](Model::Data& d) { d.info.decoder.emplace(); });
  refuse(opt(), "logits are not over its vocabulary", [](Model::Data& d) {
    d.info.vocab_size = 69;
    d.tensors["decoder.embeddings.word"] = Tensor(DType::s8, {69, 48});
    d.tensors["decoder.embeddings.word_multiplier"] = Tensor(DType::s32, {69});
  });
  refuse(vit(), "does not fit the images", [](Model::Data& d) { d.info.image->width = 40; });
  refuse(vit(), "expected max_positions", [](Model::Data& d) { d.info.max_positions = 16; });
  refuse(vit(), "selects more rows than a sequence has", [](Model::Data& d) {
    for (Node& node : d.graph.nodes) {
      if (auto* rows = std::get_if<SelectRows>(&node.op)) rows->count = 18;
    }
  });
}

TEST_CASE("an op that reads 16 bits of a value that has none, and an output without its form, are refused") {
  // sums take the bytes of a hidden layer for the stream
  const auto refuse = [](const std::string& message, const std::function<void(Model::Data&)>& damage) {
    CHECK_THAT(complaint(bert(), damage), Catch::Contains(message));
  };
  refuse("encoder.layer.1.output.dense reads encoder.layer.1.intermediate.dense, which is not made in 16 bits",
         [](Model::Data& d) {
           for (Node& node : d.graph.nodes) {
             if (d.graph.name(node.output) == "encoder.layer.1.output.dense") node.inputs[1] = node.inputs[0];
           }
         });
  refuse("is the output other, which its constants do not make", [](Model::Data& d) {
    for (const Node& node : d.graph.nodes) {
      if (d.graph.name(node.output) == "encoder.layer.1.intermediate.dense")
        d.graph.outputs.push_back({"other", node.output});
    }
  });
}

TEST_CASE("attention has the heads of the product that it reads") {
  CHECK_THAT(complaint(bert(),
                       [](Model::Data& d) {
                         for (Node& node : d.graph.nodes) {
                           if (auto* op = std::get_if<AttentionOp>(&node.op)) op->heads = 2;
                         }
                       }),
             Catch::Contains("does not fit the product it reads"));
}

TEST_CASE("a bias of scores by place is of the pictures that the model takes") {
  const auto with_grid = [](const Model& model, int width, int height) {
    return complaint(model, [&](Model::Data& d) {
      for (Node& node : d.graph.nodes) {
        if (auto* op = std::get_if<AttentionOp>(&node.op))
          op->bias = ScoreBias{.table = "", .grid_width = width, .grid_height = height};
      }
    });
  };
  CHECK_THAT(with_grid(vit(), 4, 5), Catch::Contains("has a bias of scores for other pictures than the model takes"));
  CHECK_THAT(with_grid(vit(), 4, 4), Catch::Contains("score_bias"));
  CHECK_THAT(with_grid(bert(), 4, 4), Catch::Contains("has a bias of scores for other pictures than the model takes"));
}

TEST_CASE("sinks and gates per element that kernels do not take are refused by name") {
  const Model model = quantized_tiny_opt({.sink = true, .gate_type = "conditional_per_element"});
  const std::string attention = "decoder.layers.0.self_attn";
  CHECK(complaint(model, [](Model::Data&) {}) == "");
  CHECK_THAT(complaint(model, [&](Model::Data& d) { set<std::int32_t>(d, attention + ".sink", 1, (1 << 28) + 1); }),
             Catch::Contains(attention + ".sink"));
  CHECK_THAT(complaint(model, [&](Model::Data& d) { d.tensors.erase(attention + ".sink"); }),
             Catch::Contains(attention + ".sink"));
  CHECK_THAT(complaint(model, [](Model::Data& d) { first<QuantizedAttention>(d).sink = false; }),
             Catch::Contains("by its softmax or by its integers alone"));
  CHECK_THAT(complaint(bert(), [](Model::Data& d) { first<QuantizedAttention>(d).gate_fraction = 1; }),
             Catch::Contains("gate_fraction without a gate per element"));
}

TEST_CASE("convolutions of other pictures, products and tokens, and scores that are not there, are refused by name") {
  static const Model cct = [] {
    const fuzz::TinyCct tiny;
    const Model model = tiny.model();
    Calibrator calibrator(model);
    Workspace workspace({.threads = 1});
    calibrator.observe(random_images(4, 8), workspace);
    return calibrator.quantize().model;
  }();
  const auto refuse = [](const std::string& message, const std::function<void(Model::Data&)>& damage) {
    CHECK_THAT(complaint(cct, damage), Catch::Contains(message));
  };
  const auto op = [](Model::Data& d) -> EmbedConvolutions& { return std::get<EmbedConvolutions>(d.graph.nodes[0].op); };
  CHECK(complaint(cct, [](Model::Data&) {}) == "");
  refuse("does not fit the images", [](Model::Data& d) { d.info.image->width = 9; });
  refuse("expected max_positions", [](Model::Data& d) { d.info.max_positions = 5; });
  refuse("expected max_positions", [&](Model::Data& d) { op(d).layers[0].window_stride = 1; });
  refuse("whose product does not fit its windows", [&](Model::Data& d) {
    op(d).layers[1].kernel = 5;
    op(d).layers[1].padding = 2;
  });
  refuse("whose product does not fit its windows",
         [](Model::Data& d) { first<QuantizedEmbedConvolutions>(d).layers[1].depth = 128; });
  refuse("whose product does not fit its windows",
         [](Model::Data& d) { first<QuantizedEmbedConvolutions>(d).layers[0].block.first_column = 32; });
  refuse("embeddings.1.weight", [](Model::Data& d) {
    d.tensors["embeddings.1.weight"] = Tensor(DType::s8, {32, 128});
  });
  refuse("embeddings.rows", [](Model::Data& d) { d.tensors["embeddings.rows"] = Tensor(DType::s16, {3, 8}); });
  refuse("embeddings.0.bias", [](Model::Data& d) { d.tensors.erase("embeddings.0.bias"); });
}

TEST_CASE("factors of distances are there by op and integers, as many as distances, and in Q15") {
  const auto urpe = [](const std::function<void(Model::Data&)>& damage) {
    static const Model model = [] {
      const Model checkpoint = fuzz::tiny_urpe().model();
      Calibrator calibrator(checkpoint);
      Workspace workspace({.threads = 1});
      calibrator.observe(random_batch(8, 20, 20), workspace);
      return calibrator.quantize().model;
    }();
    return complaint(model, damage);
  };
  const std::string factors = "encoder.layer.0.attention.self.factors";
  CHECK(urpe([](Model::Data&) {}) == "");
  CHECK_THAT(urpe([](Model::Data& d) { first<QuantizedAttention>(d).by_distance = false; }),
             Catch::Contains("by its op or by its integers alone"));
  CHECK_THAT(urpe([&](Model::Data& d) { d.tensors[factors] = Tensor(DType::s16, {2, 7}); }), Catch::Contains(factors));
  CHECK_THAT(urpe([&](Model::Data& d) { set<std::int16_t>(d, factors, 3, -32768); }), Catch::Contains(factors));
}

}  // namespace octavo::test
