// Reading BERT checkpoints: what is accepted, and that everything else is an error naming the thing.
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/error.h"

namespace octavo::test {
namespace {

/// The message of the Error that reading this checkpoint throws; "" when it reads.
std::string read_error(const TinyBert& bert) {
  TemporaryDirectory directory;
  bert.write(directory.path());
  try {
    Model::from_checkpoint(directory.path());
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool mentions(const std::string& message, std::initializer_list<const char*> words) {
  INFO(message);
  for (const char* word : words) {
    if (message.find(word) == std::string::npos) {
      WARN("\"" << message << "\" does not mention \"" << word << "\"");
      return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("names with and without the bert. prefix, with and without pooler, give the same model") {
  const TokenBatch batch = random_batch(3, 20, 50);
  Workspace workspace({.threads = 1});
  const Tensor plain = Engine(tiny_model()).run(batch, workspace);
  const Tensor prefixed = Engine(tiny_model({.pooler = true, .prefix = "bert."})).run(batch, workspace);
  const auto a = plain.as<float>(), b = prefixed.as<float>();
  CHECK(std::equal(a.begin(), a.end(), b.begin(), b.end()));
}

TEST_CASE("heads need not divide hidden_size, and token types may be absent") {
  const Model model = tiny_model({.hidden_size = 50, .heads = 3, .head_size = 12, .types = 0, .gate = false});
  CHECK(model.info().hidden_size == 50);
  CHECK(model.info().type_vocab_size == 0);
  Workspace workspace({.threads = 1});
  CHECK(Engine(model).run(random_batch(2, 9, 50), workspace).columns() == 50);
}

TEST_CASE("config.json's attention_method gives softmax and gate, and options replace it") {
  CHECK(tiny_model({.gamma = -0.025, .zeta = 1.003}).info().softmax.gamma == -0.025);
  CHECK(tiny_model().info().gate_scale == 2.0);
  TemporaryDirectory directory;
  TinyBert().write(directory.path());
  const Model model =
      Model::from_checkpoint(directory.path(), {.softmax = ClippedSoftmax{-0.1, 1.0}, .gate_scale = 1.5});
  CHECK(model.info().softmax.gamma == -0.1);
  CHECK(model.info().gate_scale == 1.5);
}

TEST_CASE("the older LayerNorm names gamma and beta are read") {
  TinyBert bert;
  for (const char* part : {"weight", "bias"}) {
    const std::string name = "embeddings.LayerNorm.";
    bert.tensors[name + (std::string(part) == "weight" ? "gamma" : "beta")] = bert.tensors[name + part];
    bert.tensors.erase(name + part);
  }
  CHECK(read_error(bert) == "");
}

TEST_CASE("missing, unknown and misshapen tensors are errors that name them") {
  TinyBert missing, unknown, shape, integers;
  missing.tensors.erase("encoder.layer.1.output.dense.bias");
  CHECK(mentions(read_error(missing), {"encoder.layer.1.output.dense.bias"}));
  unknown.add("encoder.layer.0.attention.self.extra.weight", {4}, 1.0f);
  CHECK(mentions(read_error(unknown), {"encoder.layer.0.attention.self.extra.weight"}));
  shape.add("encoder.layer.0.intermediate.dense.weight", {80, 47}, 1.0f);
  CHECK(mentions(read_error(shape), {"encoder.layer.0.intermediate.dense.weight", "[80, 47]", "[80, 48]"}));
  integers.tensors["embeddings.LayerNorm.bias"] = Tensor(DType::s32, {48});
  CHECK(mentions(read_error(integers), {"embeddings.LayerNorm.bias", "I32"}));
}

TEST_CASE("wrong config values are errors that name the key and what was expected") {
  const std::pair<const char*, nlohmann::json> cases[] = {{"hidden_size", "48"},
                                                          {"hidden_size", -1},
                                                          {"hidden_size", 48.5},
                                                          {"hidden_size", 1e300},
                                                          {"hidden_size", nullptr},
                                                          {"num_attention_heads", 0},
                                                          {"num_attention_heads", 7},
                                                          {"num_hidden_layers", 0},
                                                          {"vocab_size", 49},
                                                          {"layer_norm_eps", "small"},
                                                          {"layer_norm_eps", -1.0},
                                                          {"hidden_act", "mish"},
                                                          {"hidden_act", 3},
                                                          {"model_type", "longformer"},
                                                          {"is_decoder", true},
                                                          {"type_vocab_size", 3},
                                                          {"intermediate_size", 1},
                                                          {"max_position_embeddings", 0},
                                                          {"position_embedding_type", "relative_key"},
                                                          {"attention_method", 5}};
  for (const auto& [key, value] : cases) {
    INFO(key << " = " << value.dump());
    TinyBert bert;
    bert.config[key] = value;
    CHECK(read_error(bert) != "");
  }
  TinyBert activation;
  activation.config["hidden_act"] = "mish";
  CHECK(mentions(read_error(activation), {"hidden_act", "mish", "quick_gelu, silu, relu or tanh"}));
}

TEST_CASE("gate tensors that are missing, not explained, or not what config.json says are errors") {
  TinyBert mlp, all_heads, unconditional, unexplained, ungated, unknown;
  mlp.config["attention_method"]["gate"]["kind"] = "mlp";
  CHECK(mentions(read_error(mlp), {"alpha", "linear", "mlp"}));
  all_heads.config["attention_method"]["gate"]["kind"] = "all_heads";
  CHECK(mentions(read_error(all_heads), {"alpha", "linear", "all_heads"}));
  unconditional.config["attention_method"]["gate"] = {{"type", "unconditional_per_head"}};
  CHECK(mentions(read_error(unconditional), {"alpha", "linear", "unconditional_per_head"}));
  unexplained.config["attention_method"].erase("gate");
  CHECK(mentions(read_error(unexplained), {"alpha", "attention_method.gate"}));
  ungated = TinyBert({.gate = false});
  ungated.config["attention_method"]["gate"] = {{"type", "conditional_per_token"}};
  CHECK(mentions(read_error(ungated), {"alpha", "conditional_per_token"}));
  unknown.config["attention_method"]["gate"]["type"] = "per_hed";
  CHECK(mentions(read_error(unknown), {"type", "per_hed", "conditional_per_head"}));
  TinyBert scaled({.gate_type = "unconditional_per_head"});
  scaled.config["attention_method"]["gate"]["scale"] = 2.0;
  CHECK(mentions(read_error(scaled), {"gate scale", "unconditional_per_head"}));
  TinyBert ragged({.gate_kind = "mlp"});
  ragged.add("encoder.layer.1.attention.self.alpha.2.0.weight", {4, 16}, 1.0f);
  CHECK(mentions(read_error(ragged), {"alpha.2.0.weight", "[5, 16]"}));
  TinyBert gamma;
  gamma.config["attention_method"]["softmax"]["gamma"] = 0.1;
  CHECK(mentions(read_error(gamma), {"gamma", "0.1"}));
}

TEST_CASE("config.json that is missing or not JSON is an error that names the file") {
  TemporaryDirectory directory;
  TinyBert().write(directory.path());
  for (const char* text : {"", "{", "[]", "{\"model_type\": \"bert\"", "null"}) {
    std::ofstream(directory.path() / "config.json") << text;
    CHECK_THROWS_AS(Model::from_checkpoint(directory.path()), Error);
  }
  std::filesystem::remove(directory.path() / "config.json");
  CHECK_THROWS_AS(Model::from_checkpoint(directory.path()), Error);
  CHECK_THROWS_AS(Model::from_checkpoint(directory.path() / "nowhere"), Error);
}

}  // namespace octavo::test
