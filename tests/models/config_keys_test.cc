// Keys of config.json and names of tensors that other tools write: honoured, refused by name, or told of; never
// ignored.
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"
#include "tests/support/tiny_opt.h"

#include "octavo/error.h"

#include <algorithm>
#include <span>

namespace octavo::test {
namespace {

Model read(const TinyBert& bert) {
  const TemporaryDirectory directory;
  bert.write(directory.path());
  return Model::from_checkpoint(directory.path());
}

std::string read_error(const TinyBert& bert) {
  return refusal([&] { read(bert); });
}

/// All names with something in front.
TinyBert renamed(TinyBert bert, const std::string& prefix) {
  std::map<std::string, Tensor, std::less<>> tensors;
  for (auto& [name, tensor] : bert.tensors) tensors.emplace(prefix + name, std::move(tensor));
  bert.tensors = std::move(tensors);
  return bert;
}

std::vector<float> hidden(const Model& model) {
  Workspace workspace({.threads = 1});
  const Tensor result = Engine(model).run(random_batch(2, 9, 50), workspace);
  return {result.as<float>().begin(), result.as<float>().end()};
}

}  // namespace

TEST_CASE("a key that octavo does not know is a warning that names it and the file, for BERT and OPT") {
  TinyBert bert;
  CHECK(read(bert).warnings().empty());
  bert.config["attention_biass"] = false;
  bert.config["rope_theta"] = 1e4;
  const std::vector<std::string> warnings = read(bert).warnings();
  REQUIRE(warnings.size() == 2);
  CHECK_THAT(warnings[0], Catch::Contains("config.json: attention_biass is not known"));
  CHECK_THAT(warnings[1], Catch::Contains("rope_theta"));
  TinyOpt opt;
  CHECK(opt.model().warnings().empty());
  opt.config["layer_norm_eps"] = 1e-3;
  REQUIRE(opt.model().warnings().size() == 1);
  CHECK_THAT(opt.model().warnings()[0], Catch::Contains("layer_norm_eps"));
}

TEST_CASE("keys that change no result are no warning") {
  TinyBert bert;
  bert.config.update({{"_name_or_path", "x"},
                      {"architectures", {"BertModel"}},
                      {"torch_dtype", "float16"},
                      {"dtype", "float32"},
                      {"use_cache", true},
                      {"output_hidden_states", true},
                      {"hidden_dropout_prob", 0.1},
                      {"chunk_size_feed_forward", 4},
                      {"pad_token_id", 0},
                      {"tie_word_embeddings", true},
                      {"id2label", {{"0", "A"}}},
                      {"gradient_checkpointing", false},
                      {"pruned_heads", nlohmann::json::object()},
                      {"quantization_config", nullptr}});
  CHECK(read(bert).warnings().empty());
}

TEST_CASE("keys that change weights or results are refused by name, with the file") {
  const std::pair<const char*, nlohmann::json> cases[] = {{"quantization_config", {{"quant_method", "gptq"}}},
                                                          {"compression_config", {{"format", "int-quantized"}}},
                                                          {"pruned_heads", {{"0", {1, 2}}}},
                                                          {"is_encoder_decoder", true},
                                                          {"add_cross_attention", true},
                                                          {"is_decoder", true},
                                                          {"position_embedding_type", "relative_key_query"},
                                                          {"hidden_act", "mish"}};
  for (const auto& [key, value] : cases) {
    TinyBert bert;
    bert.config[key] = value;
    CHECK_THAT(read_error(bert), Catch::Contains("/config.json: " + std::string(key)));
  }
  TinyBert typo;
  typo.config["attention_method"]["softmax"]["gama"] = -0.03;
  CHECK_THAT(read_error(typo), Catch::Contains("attention_method: softmax: gama is"));
}

TEST_CASE("a missing key has the value that transformers gives it") {
  TinyBert bert;
  const std::vector<float> expected = hidden(read(bert));
  for (const char* key : {"type_vocab_size", "layer_norm_eps", "hidden_act"}) bert.config.erase(key);
  CHECK(hidden(read(bert)) == expected);
  const std::pair<const char*, const char*> sizes[] = {{"hidden_size", "768"},
                                                       {"vocab_size", "30522"},
                                                       {"max_position_embeddings", "512"},
                                                       {"intermediate_size", "3072"}};
  for (const auto& [key, size] : sizes) {
    TinyBert lacking;
    lacking.config.erase(key);
    CHECK_THAT(read_error(lacking), Catch::Contains(size));
  }
}

TEST_CASE("what training wraps a model in is taken off all names") {
  const std::vector<float> expected = hidden(read(TinyBert()));
  for (const char* prefix : {"model.", "module.", "_orig_mod.", "module._orig_mod.bert.", "_orig_mod.module.model."})
    CHECK(hidden(read(renamed(TinyBert(), prefix))) == expected);
}

TEST_CASE("a prefix that is not known is named, with what was expected") {
  CHECK_THAT(read_error(renamed(TinyBert(), "0.auto_model.")),
             Catch::Contains("without the prefix 0.auto_model., or with bert."));
  TinyBert partly = renamed(TinyBert(), "module.");
  partly.add("encoder.extra.weight", {4}, 1.0f);
  CHECK_THAT(read_error(partly), Catch::Contains("without the prefix module."));
}

TEST_CASE("tensors of heads that belong to no output are a warning that names them") {
  TinyBert bert({.pooler = true});
  bert.add("cls.other.weight", {3, 48}, 1.0f);
  const std::vector<std::string> warnings = read(bert).warnings();
  REQUIRE(warnings.size() == 1);
  CHECK_THAT(warnings[0], Catch::Contains("cls."));
}

TEST_CASE("an infinite answer of float32 is an error, not a number") {
  TinyBert bert;
  for (float& x : bert.tensors.at("encoder.layer.1.output.LayerNorm.weight").writable<float>()) x = 3e38f;
  for (float& x : bert.tensors.at("encoder.layer.1.output.LayerNorm.bias").writable<float>()) x = 3e38f;
  const Engine engine(read(bert));
  Workspace workspace({.threads = 1});
  CHECK_THROWS_WITH(engine.run(random_batch(2, 9, 50), workspace), Catch::Contains("is not a number"));
  CHECK_THROWS_AS(engine.pool(random_batch(2, 9, 50), {Pooling::mean}, workspace), Error);
  bert.tensors.at("embeddings.word_embeddings.weight").writable<float>()[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(Engine(read(bert)), Catch::Contains("tensor embeddings.word_embeddings.weight is not a number"));
}

}  // namespace octavo::test
