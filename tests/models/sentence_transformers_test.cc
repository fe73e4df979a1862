// sentence-transformers directories: the numbers that sentence-transformers itself gives, and a word about all else.
#include "io/safetensors.h"
#include "tests/support/compare.h"
#include "tests/support/golden_tasks.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"

#include "octavo/calibration.h"
#include "octavo/error.h"
#include "octavo/tasks.h"
#include "octavo/text_preprocessor.h"

#include <nlohmann/json.hpp>

#include <functional>
#include <limits>
#include <map>
#include <stdexcept>

namespace octavo::test {
namespace {

using nlohmann::json;

/// sentence_embeddings.safetensors, made by sentence-transformers.
class Golden {
 public:
  Golden() : file_(read_safetensors(source_dir() / "tests/golden/sentence_embeddings.safetensors")) {}

  json cases() const { return json::parse(file_.metadata.at("cases")); }
  json files() const { return json::parse(file_.metadata.at("files")); }
  const Tensor& embeddings(const std::string& name) const { return file_.tensors.at(name + "/embeddings"); }

  /// The directory of a case, as it is or with some files replaced.
  void write(const json& entry, const std::filesystem::path& directory) const {
    json files = this->files();
    files.update(entry.at("files"));
    for (const auto& [path, content] : files.items()) write_bytes(directory / path, content.dump());
    std::map<std::string, std::map<std::string, Tensor, std::less<>>> folders;
    const std::string own = entry.at("name").get<std::string>() + "/";
    for (const auto& [name, tensor] : file_.tensors) {
      if (name.starts_with("model/")) folders[""][name.substr(6)] = tensor;
      const std::size_t slash = name.rfind('/');
      if (name.starts_with(own) && slash > own.size())
        folders[name.substr(own.size(), slash - own.size())][name.substr(slash + 1)] = tensor;
    }
    for (const auto& [folder, tensors] : folders)
      write_safetensors(directory / folder / "model.safetensors", tensors, {});
  }

 private:
  SafetensorsFile file_;
};

TextOptions text_options(const json& entry) {
  return {.prompt_name = entry.at("prompt_name").is_null() ? "" : entry.at("prompt_name").get<std::string>()};
}

EmbedOptions embed_options(const json& entry) {
  EmbedOptions options;
  if (!entry.at("truncate_dim").is_null()) options.truncate_dim = entry.at("truncate_dim").get<int>();
  return options;
}

TokenBatch tokens_of(const json& entry, const Model& model) {
  const TextPreprocessor encoder(model, text_options(entry));
  TokenBatch batch;
  for (const json& text : entry.at("texts")) batch.sequences.push_back(encoder.encode(text.get<std::string>()));
  return batch;
}

double difference(const Tensor& a, const Tensor& b) { return largest_difference(a.as<float>(), b.as<float>()); }

/// The case with modules of every kind.
json entry_named(const Golden& golden, const std::string& name) {
  for (const json& entry : golden.cases()) {
    if (entry.at("name") == name) return entry;
  }
  throw std::runtime_error("no case " + name);
}
constexpr const char* kAllModules = "two dense, layer norm, normalize";

/// What reading a case with some files changed says: the Error, or else the warnings.
std::string said_of(const Golden& golden, const json& entry, const json& patches) {
  TemporaryDirectory directory;
  golden.write(entry, directory.path());
  json files = golden.files();
  files.update(entry.at("files"));
  for (const auto& [path, patch] : patches.items()) {
    json content = files.value(path, json::object());
    content.merge_patch(patch);
    write_bytes(directory.path() / path, content.dump());
  }
  try {
    const Model model = Model::from_checkpoint(directory.path());
    std::string all;
    for (const std::string& warning : model.warnings()) all += warning + "\n";
    return all;
  } catch (const Error& error) {
    return std::string("Error: ") + error.what();
  }
}

Model quantized(const Model& model, const TokenBatch& batch) {
  Calibrator calibrator(model, {});
  Workspace workspace({.threads = 1});
  calibrator.observe(batch, workspace);
  return calibrator.quantize().model;
}

}  // namespace

TEST_CASE("float32 embeddings are sentence-transformers' own, with every pooling, module, prompt, length and case") {
  const Golden golden;
  Workspace workspace({.threads = 1});
  for (const json& entry : golden.cases()) {
    INFO(entry.at("name"));
    TemporaryDirectory directory;
    golden.write(entry, directory.path());
    const Model model = Model::from_checkpoint(directory.path());
    for (const std::string& warning : model.warnings())  // of the tokenizer alone
      CHECK_THAT(warning, Catch::Contains("tokenizer_config.json: mask_token"));
    const Tensor& expected = golden.embeddings(entry.at("name"));
    const Tensor found = embed(Engine(model), tokens_of(entry, model), workspace, embed_options(entry));
    REQUIRE(found.shape() == expected.shape());
    CHECK(embedding_size(model, embed_options(entry)) == found.columns());
    CHECK(difference(found, expected) < 1e-5);
  }
}

TEST_CASE("a quantized model keeps all of it in its file, and its embeddings are close") {
  const Golden golden;
  Workspace workspace({.threads = 1});
  for (const json& entry : golden.cases()) {
    INFO(entry.at("name"));
    TemporaryDirectory directory;
    golden.write(entry, directory.path());
    const Model checkpoint = Model::from_checkpoint(directory.path());
    const TokenBatch batch = tokens_of(entry, checkpoint);
    quantized(checkpoint, batch).save(directory / "m.octavo");
    const Model model = Model::from_file(directory / "m.octavo");
    CHECK(tokens_of(entry, model).sequences[1].ids == batch.sequences[1].ids);
    const Tensor found = embed(Engine(model), tokens_of(entry, model), workspace, embed_options(entry));
    const Tensor expected = embed(Engine(checkpoint), batch, workspace, embed_options(entry));
    REQUIRE(found.shape() == expected.shape());
    CHECK(mean_row_cosine(found, expected) > 0.99);
    model.save(directory / "again.octavo");
    CHECK(read_bytes(directory / "m.octavo") == read_bytes(directory / "again.octavo"));
  }
}

TEST_CASE("an embedding does not depend on what else is in the batch, prompts and modules included") {
  const Golden golden;
  Workspace workspace({.threads = 1});
  for (const char* name : {kAllModules, "prompt left out of pooling"}) {
    TemporaryDirectory directory;
    const json entry = entry_named(golden, name);
    golden.write(entry, directory.path());
    const Model checkpoint = Model::from_checkpoint(directory.path());
    TokenBatch batch = tokens_of(entry, checkpoint);
    const Engine engine(quantized(checkpoint, batch));
    batch.sequences[0].prompt = 0;
    const Tensor all = embed(engine, batch, workspace);
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const Tensor one = embed(engine, {{batch.sequences[i]}}, workspace);
      CHECK(equal_bytes(one, row_of(all, i)));
    }
  }
}

TEST_CASE("without modules.json the pooling folder, prompts and length are read too, and embeddings are normalised") {
  const Golden golden;
  Workspace workspace({.threads = 1});
  for (const char* name : {"default prompt", "max_seq_length"}) {
    TemporaryDirectory directory;
    const json entry = entry_named(golden, name);
    golden.write(entry, directory.path());
    std::filesystem::remove(directory / "modules.json");
    const Engine engine(Model::from_checkpoint(directory.path()));
    const TokenBatch batch = tokens_of(entry, engine.model());
    CHECK(difference(embed(engine, batch, workspace, {.normalize = false}), golden.embeddings(name)) < 1e-5);
    const Tensor unit = embed(engine, batch, workspace);
    CHECK(similarity(unit.as<float>(), unit.as<float>(), Similarity::dot) == Approx(unit.rows()));
  }
}

TEST_CASE("an unknown key of a sentence-transformers file is a warning that names file and key") {
  const Golden golden;
  const json modules = entry_named(golden, kAllModules), prompts = entry_named(golden, "default prompt"),
             length = entry_named(golden, "max_seq_length");
  const auto check = [&](const json& entry, const char* file) {
    const std::string said = said_of(golden, entry, {{file, {{"temperature", 3}}}});
    INFO(file << ": " << said);
    CHECK(said.find(std::string(file) + ": temperature is not known") != std::string::npos);
  };
  for (const char* file :
       {"1_Pooling/config.json", "2_Dense/config.json", "3_LayerNorm/config.json", "4_Normalize/config.json"})
    check(modules, file);
  check(prompts, "config_sentence_transformers.json");
  check(length, "sentence_bert_config.json");
  json changed = modules;
  changed["files"]["modules.json"][2]["temperature"] = 3;
  CHECK(said_of(golden, changed, json::object()).find("modules.json: modules[2]: temperature is not known") !=
        std::string::npos);
}

TEST_CASE("what octavo does not do as a sentence-transformers file says is refused, naming file, key and value") {
  const Golden golden;
  const json modules = entry_named(golden, kAllModules);
  const auto check = [&](const char* file, const json& patch, const std::string& expected) {
    const std::string said = said_of(golden, modules, {{file, patch}});
    INFO(file << " " << patch.dump() << ": " << said);
    CHECK(said.starts_with("Error: "));
    CHECK(said.find(expected) != std::string::npos);
    CHECK(said.find(std::filesystem::path(file).filename().string()) != std::string::npos);
  };
  check("1_Pooling/config.json", {{"pooling_mode", "attention"}}, "pooling_mode is \"attention\"");
  check("1_Pooling/config.json", {{"pooling_mode", json::array()}}, "pooling_mode is []");
  check("1_Pooling/config.json", {{"pooling_mode", {"mean", "median"}}}, "pooling_mode is [\"mean\",\"median\"]");
  check("1_Pooling/config.json", {{"pooling_mode_median_tokens", true}}, "pooling_mode_median_tokens is true");
  check("1_Pooling/config.json", {{"include_prompt", 1}}, "include_prompt is 1");
  check("2_Dense/config.json", {{"activation_function", "torch.nn.modules.activation.Softmax"}}, "activation.Softmax");
  check("2_Dense/config.json", {{"activation_function", "my.module.Tanh"}}, "my.module.Tanh");
  check("2_Dense/config.json", {{"module_input_name", "token_embeddings"}},
        "module_input_name is \"token_embeddings\"");
  check("2_Dense/config.json", {{"out_features", nullptr}}, "out_features is missing");
  check("4_Normalize/config.json", {{"module_input_name", "token_embeddings"}},
        "module_input_name is \"token_embeddings\"");
  check("config_sentence_transformers.json", {{"similarity_fn_name", "maxsim"}}, "similarity_fn_name is \"maxsim\"");
  check("config_sentence_transformers.json", {{"model_type", "Router"}}, "model_type is \"Router\"");
  check("config_sentence_transformers.json", {{"default_prompt_name", "passage"}},
        "default_prompt_name is \"passage\"");
  check("config_sentence_transformers.json", {{"prompts", {{"query", 5}}}}, "query is 5");
  check("sentence_bert_config.json", {{"max_seq_length", 0}}, "max_seq_length is 0");
  check("sentence_bert_config.json", {{"transformer_task", "fill-mask"}}, "transformer_task is \"fill-mask\"");
  check("sentence_bert_config.json", {{"modality_config", {{"image", json::object()}}}}, "image is {}");
  check("sentence_bert_config.json", {{"processing_kwargs", {{"text", json::object()}}}}, "text is {}");
  check("sentence_bert_config.json", {{"query_length", 32}}, "query_length is 32");
}

TEST_CASE("modules that octavo does not have, or that stand where they cannot, are refused by name") {
  const Golden golden;
  const auto check = [&](const std::function<void(json & modules)>& change, const std::string& expected) {
    json entry = entry_named(golden, kAllModules);
    change(entry["files"]["modules.json"]);
    const std::string said = said_of(golden, entry, json::object());
    INFO(said);
    CHECK(said.starts_with("Error: "));
    CHECK(said.find("modules.json: ") != std::string::npos);
    CHECK(said.find(expected) != std::string::npos);
  };
  for (const char* kind : {"CNN", "LSTM", "WeightedLayerPooling", "Router", "Asym", "WordWeights"})
    check([&](json& m) { m[2]["type"] = std::string("sentence_transformers.models.") + kind; }, kind);
  check([](json& m) { m[0]["type"] = "custom_st.Transformer"; }, "custom_st.Transformer");
  check([](json& m) { m.erase(1); }, "a Pooling in this place");
  check([](json& m) { m.erase(0); }, "a Transformer in this place");
  check([](json& m) { m[3]["type"] = m[1]["type"]; }, "behind the Pooling");
  check([](json& m) { m = json::array({m[0]}); }, "has no Pooling");
  check([](json& m) { m[2]["path"] = "../2_Dense"; }, "../2_Dense");
  check([](json& m) { m[2]["path"] = "/2_Dense"; }, "/2_Dense");
  check([](json& m) { m[2]["path"] = std::string(5000, 'a'); }, "a folder within the checkpoint");
}

TEST_CASE("a SparseEncoder's SpladePooling is read, kept in the model file, and refused where it cannot stand") {
  const auto open = [](const json& modules, const json& pooling, const json& transformer, const char* model = "masks") {
    const TemporaryDirectory directory;
    GoldenTasks().write(model, directory.path());
    write_bytes(directory / "modules.json", modules.dump());
    write_bytes(directory / "1_SpladePooling/config.json", pooling.dump());
    write_bytes(directory / "sentence_bert_config.json", transformer.dump());
    write_bytes(directory / "config_sentence_transformers.json", R"({"model_type": "SparseEncoder"})");
    return Model::from_checkpoint(directory.path());
  };
  const auto module = [](const char* path, const char* type) {
    return json{{"path", path}, {"type", std::string("sentence_transformers.sparse_encoder.models.") + type}};
  };
  const json modules = {module("", "MLMTransformer"), module("1_SpladePooling", "SpladePooling")};
  const json task = {{"transformer_task", "fill-mask"},
                     {"modality_config", {{"text", {{"method_output_name", "logits"}}}}}};
  const Model model =
      open(modules, {{"pooling_strategy", "sum"}, {"activation_function", "log1p_relu"}, {"chunk_size", 8}}, task);
  CHECK(model.warnings().empty());
  CHECK(model.info().embedding.similarity == Similarity::dot);
  Calibrator calibrator(model);
  Workspace workspace({.threads = 1});
  calibrator.observe({{{.ids = {2, 9, 4, 12, 3}}}}, workspace);
  const TemporaryDirectory directory;
  calibrator.quantize().model.save(directory / "m.octavo");
  for (const Model& each : {model, Model::from_file(directory / "m.octavo")}) {
    REQUIRE(each.info().embedding.sparse);
    CHECK(each.info().embedding.sparse->pooling_strategy == SparsePooling::sum);
    CHECK(each.info().embedding.sparse->activation_function == SparseActivation::log1p_relu);
  }
  CHECK(open(modules, json::object(), json::object()).info().embedding.sparse->pooling_strategy == SparsePooling::max);
  CHECK_THROWS_WITH(open(modules, {{"pooling_strategy", "mean"}}, task),
                    Catch::Contains("pooling_strategy is \"mean\""));
  CHECK_THROWS_WITH(open(modules, {{"activation_function", "elu"}}, task), Catch::Contains("activation_function is"));
  CHECK_THROWS_WITH(open({modules[0], module("1_SpladePooling", "Pooling")}, json::object(), task),
                    Catch::Contains("a SpladePooling behind"));
  CHECK_THROWS_WITH(open({modules[0], modules[1], module("n", "Normalize")}, json::object(), task),
                    Catch::Contains("nothing behind the SpladePooling"));
  CHECK_THROWS_WITH(open(modules, json::object(), {{"transformer_task", "feature-extraction"}}),
                    Catch::Contains("expected fill-mask"));
  CHECK_THROWS_WITH(open(modules, json::object(), task, "entities"), Catch::Contains("which it lacks"));
}

TEST_CASE("sizes and tensors of modules that do not fit are errors that name them") {
  const Golden golden;
  const json modules = entry_named(golden, kAllModules);
  const auto said = [&](const char* file, const json& patch) { return said_of(golden, modules, {{file, patch}}); };
  CHECK(said("1_Pooling/config.json", {{"pooling_mode", "mean"}}).find("Dense 2_Dense takes 32 numbers") !=
        std::string::npos);
  CHECK(said("1_Pooling/config.json", {{"embedding_dimension", 17}}).find("hidden_size is 16") != std::string::npos);
  CHECK(said("2_Dense/config.json", {{"bias", true}}).find("linear.bias") != std::string::npos);
  CHECK(said("2_Dense/config.json", {{"out_features", 9}}).find("LayerNorm 3_LayerNorm takes 8 numbers") !=
        std::string::npos);
  CHECK(said("5_Dense/config.json", {{"out_features", 9}}).find("5_Dense/linear.bias is F32 [12], expected F32 [9]") !=
        std::string::npos);
  TemporaryDirectory directory;
  golden.write(modules, directory.path());
  std::filesystem::rename(directory / "2_Dense/model.safetensors", directory / "2_Dense/pytorch_model.bin");
  CHECK_THROWS_WITH(Model::from_checkpoint(directory.path()), Catch::Contains("pytorch_model.bin"));
  Tensor weight(DType::f32, {8, 32});
  weight.writable<float>()[3] = std::numeric_limits<float>::quiet_NaN();
  write_safetensors(directory / "2_Dense/model.safetensors", {{"linear.weight", weight}}, {});
  CHECK_THROWS_WITH(Model::from_checkpoint(directory.path()), Catch::Contains("2_Dense/linear.weight"));
  write_safetensors(directory / "2_Dense/model.safetensors", {{"linear.weight", weight}, {"scale", weight}}, {});
  CHECK_THROWS_WITH(Model::from_checkpoint(directory.path()), Catch::Contains("tensor 2_Dense/scale"));
}

TEST_CASE("an embedding that is too large for float32 is an error") {
  const Golden golden;
  TemporaryDirectory directory;
  const json entry = entry_named(golden, "dense linear.Identity");
  golden.write(entry, directory.path());
  Tensor weight(DType::f32, {5, 16}), bias(DType::f32, {5});
  std::ranges::fill(weight.writable<float>(), 3e38f);
  write_safetensors(directory / "2_Dense/model.safetensors", {{"linear.weight", weight}, {"linear.bias", bias}}, {});
  const Model model = Model::from_checkpoint(directory.path());
  Workspace workspace({.threads = 1});
  CHECK_THROWS_WITH(embed(Engine(model), tokens_of(entry, model), workspace), Catch::Contains("too large for float32"));
}

TEST_CASE("the transformer may lie in a folder of its own, and max_seq_length may exceed what the model has") {
  const Golden golden;
  json entry = entry_named(golden, "pooling mean");
  TemporaryDirectory directory;
  golden.write(entry, directory.path());
  std::filesystem::create_directory(directory / "0_Transformer");
  for (const char* file : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"})
    std::filesystem::rename(directory.path() / file, directory.path() / "0_Transformer" / file);
  json modules = entry["files"]["modules.json"];
  modules[0]["path"] = "0_Transformer";
  write_bytes(directory / "modules.json", modules.dump());
  write_bytes(directory / "0_Transformer/sentence_bert_config.json", R"({"max_seq_length": 1000})");
  const Model model = Model::from_checkpoint(directory.path());
  CHECK(model.info().max_length == 20);
  REQUIRE(model.warnings().size() == 2);  // the first is of the tokenizer
  CHECK_THAT(model.warnings()[1], Catch::Contains("max_seq_length is 1000"));
  Workspace workspace({.threads = 1});
  const Tensor found = embed(Engine(model), tokens_of(entry, model), workspace);
  CHECK(difference(found, golden.embeddings("pooling mean")) < 1e-5);
}

TEST_CASE("options replace pooling, normalisation, truncation and prompt of the checkpoint") {
  const Golden golden;
  Workspace workspace({.threads = 1});
  TemporaryDirectory directory;
  golden.write(entry_named(golden, "normalize"), directory.path());
  const Engine engine(Model::from_checkpoint(directory.path()));
  const json entry = entry_named(golden, "pooling mean");
  const TokenBatch batch = tokens_of(entry, engine.model());
  const auto differs = [&](const EmbedOptions& options, const char* name) {
    return difference(embed(engine, batch, workspace, options), golden.embeddings(name));
  };
  CHECK(differs({}, "normalize") < 1e-5);
  CHECK(differs({.normalize = false}, "pooling mean") < 1e-5);
  CHECK(differs({.pooling = {Pooling::max}, .normalize = false}, "pooling max") < 1e-5);
  CHECK(differs({.normalize = false, .truncate_dim = 6}, "truncate_dim") < 1e-5);
  CHECK(differs({.truncate_dim = 6}, "truncate_dim, then normalised") < 1e-5);
  CHECK_THROWS_WITH(embed(engine, batch, workspace, {.truncate_dim = 17}), Catch::Contains("17"));
  CHECK_THROWS_AS(TextPreprocessor(engine.model(), {.prompt_name = "query"}), Error);
  CHECK_THROWS_AS(TextPreprocessor(engine.model(), {.max_length = 21}), Error);
  CHECK(TextPreprocessor(engine.model(), {.prompt = "query : "}).encode("a cat").ids ==
        TextPreprocessor(engine.model()).encode("query : a cat").ids);
}

TEST_CASE("similarity is sentence-transformers': cosine, dot product, negative distances") {
  const std::vector<float> a = {3.0f, 4.0f}, b = {0.0f, 8.0f};
  CHECK(similarity(a, b) == Approx(0.8));
  CHECK(similarity(a, b, Similarity::dot) == Approx(32.0));
  CHECK(similarity(a, b, Similarity::euclidean) == Approx(-5.0));
  CHECK(similarity(a, b, Similarity::manhattan) == Approx(-7.0));
  CHECK_THROWS_AS(similarity(a, std::span(b).first(1)), Error);
}

TEST_CASE("a model file whose modules are damaged is an error or a model that runs") {
  const Golden golden;
  TemporaryDirectory directory;
  const json entry = entry_named(golden, kAllModules);
  golden.write(entry, directory.path());
  const Model checkpoint = Model::from_checkpoint(directory.path());
  quantized(checkpoint, tokens_of(entry, checkpoint)).save(directory / "m.octavo");
  std::string bytes = read_bytes(directory / "m.octavo");
  const std::size_t begin = bytes.find("\"modules\":\"");
  REQUIRE(begin != std::string::npos);
  const std::size_t end = bytes.find("\"provenance\"", begin);
  int refused = 0;
  Workspace workspace({.threads = 1});
  for (std::size_t i = begin; i < end; ++i) {
    const char before = bytes[i];
    bytes[i] = static_cast<char>(before ^ 1);
    write_bytes(directory / "damaged.octavo", bytes);
    bytes[i] = before;
    try {
      embed(Engine(Model::from_file(directory / "damaged.octavo")), {{{.ids = {2, 3}}}}, workspace);
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 100);
}

}  // namespace octavo::test
