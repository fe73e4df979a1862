// Families of text encoders: what transformers makes of their checkpoints, BERTs that are written as another family,
// and integers with the same bits on every instruction set.
#include "io/safetensors.h"
#include "tests/support/check_integers.h"
#include "tests/support/compare.h"
#include "tests/support/support.h"
#include "tests/support/temporary_directory.h"
#include "tests/support/tiny_bert.h"

#include "octavo/calibration.h"
#include "octavo/engine.h"

#include <algorithm>

namespace octavo::test {
namespace {

constexpr const char* kTransformers[] = {"albert",
                                         "albert-cls",
                                         "bert-gelu_new",
                                         "bert-gelu_pytorch_tanh",
                                         "bert-relu",
                                         "bert-silu",
                                         "electra-cls",
                                         "electra-discriminator",
                                         "mpnet",
                                         "roberta-cls",
                                         "roberta-mlm",
                                         "xlm-roberta",
                                         "xlm-roberta-rerank"};

/// A checkpoint of transformers alone, without what makes ids of texts.
Model without_tokenizer(const std::filesystem::path& folder) {
  const TemporaryDirectory directory;
  for (const char* file : {"config.json", "model.safetensors"})
    std::filesystem::create_symlink(folder / file, directory / file);
  return Model::from_checkpoint(directory.path());
}

/// A case of a golden file.
TokenBatch text_of(const SafetensorsFile& golden, int index) {
  const std::string prefix = std::to_string(index) + ".";
  const auto ids = golden.tensors.at(prefix + "input_ids").as<std::int32_t>();
  Tokens tokens{.ids = {ids.begin(), ids.end()}};
  if (const auto types = golden.tensors.find(prefix + "token_type_ids"); types != golden.tensors.end()) {
    const auto values = types->second.as<std::int32_t>();
    if (std::ranges::any_of(values, [](int type) { return type != 0; }))
      tokens.type_ids.assign(values.begin(), values.end());
  }
  return {{tokens}};
}

/// Rows of a tensor, one behind the other.
Tensor rows_of(const Tensor& all, std::span<const std::int32_t> rows) {
  const std::int64_t columns = all.columns();
  Tensor result(DType::f32, {static_cast<std::int64_t>(rows.size()), columns});
  for (std::size_t i = 0; i < rows.size(); ++i)
    std::ranges::copy(all.row<float>(rows[i]),
                      result.writable<float>().begin() + static_cast<std::ptrdiff_t>(i) * columns);
  return result;
}

/// Names of outputs of a golden file and of a model.
constexpr std::pair<const char*, const char*> kOutputs[] = {{"last_hidden_state", "last_hidden_state"},
                                                            {"pooler_output", "pooler_output"},
                                                            {"logits", "logits"},
                                                            {"masked_logits", "logits"}};

/// The same encoder in another family's names.
TinyBert renamed(TinyBert bert, const std::vector<std::pair<std::string, std::string>>& names) {
  std::map<std::string, Tensor, std::less<>> tensors;
  for (const auto& [name, tensor] : bert.tensors) {
    std::string other = name;
    for (const auto& [from, to] : names) {
      if (const std::size_t at = other.find(from); at != other.npos) other.replace(at, from.size(), to);
    }
    tensors.emplace(std::move(other), tensor);
  }
  bert.tensors = std::move(tensors);
  return bert;
}

const TinyBertOptions kPlain = {.head_size = 16, .gate = false};

/// Positions as RoBERTa has them: two rows that tokens never read come first.
TinyBert with_positions_behind(TinyBert bert) {
  const std::string name = "embeddings.position_embeddings.weight";
  const Tensor positions = bert.tensors.at(name);
  bert.add(name, {positions.rows() + 2, positions.columns()}, 9.0f);
  std::ranges::copy(positions.as<float>(), bert.tensors.at(name).writable<float>().begin() + 2 * positions.columns());
  bert.config["max_position_embeddings"] = positions.rows() + 2;
  return bert;
}

Tensor hidden(const Model& model, const TokenBatch& batch) {
  Workspace workspace({.threads = 1});
  return Engine(model).run(batch, workspace);
}

/// Sequences without the token 1, which pads RoBERTa.
TokenBatch unpadded_batch() {
  TokenBatch batch = random_batch(3, 30, 50, 5);
  for (Tokens& tokens : batch.sequences) std::ranges::replace(tokens.ids, 1, 2);
  return batch;
}

}  // namespace

TEST_CASE("every output of transformers' other text encoders is theirs in float32", "[shared]") {
  for (const char* name : kTransformers) {
    const auto folder = shared_data(std::string("models-tiny/") + name);
    if (!folder) continue;
    INFO(name);
    const SafetensorsFile golden = read_safetensors(*folder / "golden.safetensors");
    const Engine engine(without_tokenizer(*folder));
    Workspace workspace({.threads = 2});
    int compared = 0;
    for (int i = 0; golden.tensors.contains(std::to_string(i) + ".input_ids"); ++i) {
      const TokenBatch batch = text_of(golden, i);
      for (const auto& [of_golden, output] : kOutputs) {
        const std::string key = std::to_string(i) + ".";
        const auto expected = golden.tensors.find(key + of_golden);
        if (expected == golden.tensors.end()) continue;
        INFO("case " << i << ", " << of_golden);
        Tensor found = engine.output(output, batch, workspace);
        if (std::string(of_golden) == "masked_logits")
          found = rows_of(found, golden.tensors.at(key + "masked_positions").as<std::int32_t>());
        CHECK(largest_difference(found.as<float>(), expected->second.as<float>()) < 1e-4);
        ++compared;
      }
    }
    CHECK(compared > 6);
  }
}

TEST_CASE("other text encoders in integers are close to float32, and the same bits on every instruction set",
          "[shared]") {
  for (const char* name : kTransformers) {
    const auto folder = shared_data(std::string("models-tiny/") + name);
    if (!folder) continue;
    INFO(name);
    const Model model = without_tokenizer(*folder);
    TokenBatch batch = random_batch(4, 40, model.info().vocab_size, 3);
    batch.sequences.push_back(random_batch(1, 1, model.info().vocab_size).sequences[0]);
    for (int i = 0; i < 139; ++i) batch.sequences.back().ids.push_back(3 + i);
    check_integers(model, batch, 0.99);
  }
}

TEST_CASE("a BERT written as RoBERTa or ELECTRA has the same hidden states") {
  const TinyBert bert(kPlain);
  const Tensor expected = hidden(bert.model(), unpadded_batch());
  TinyBert roberta = with_positions_behind(bert), electra = bert;
  roberta.config["model_type"] = "roberta";
  CHECK(largest_difference(hidden(roberta.model(), unpadded_batch()).as<float>(), expected.as<float>()) < 1e-5);
  CHECK(roberta.model().info().max_positions == kPlain.positions);
  electra.config["model_type"] = "electra";
  electra.config["embedding_size"] = kPlain.hidden_size;
  CHECK(equal_bytes(hidden(electra.model(), unpadded_batch()), expected));
}

TEST_CASE("RoBERTa's only type counts for every token") {
  const TinyBert bert = with_positions_behind(TinyBert({.head_size = 16, .types = 1, .gate = false}));
  TinyBert roberta = bert, without = bert;
  roberta.config["model_type"] = without.config["model_type"] = "camembert";
  const auto type = bert.tensors.at("embeddings.token_type_embeddings.weight").as<float>();
  const Tensor words = bert.tensors.at("embeddings.word_embeddings.weight");
  without.add("embeddings.word_embeddings.weight", words.shape(), 0.0f);
  const auto sums = without.tensors.at("embeddings.word_embeddings.weight").writable<float>();
  for (std::size_t i = 0; i < sums.size(); ++i) sums[i] = words.as<float>()[i] + type[i % type.size()];
  without.tensors.erase("embeddings.token_type_embeddings.weight");
  without.config["type_vocab_size"] = 0;
  CHECK(roberta.model().info().type_vocab_size == 0);
  CHECK(largest_difference(hidden(roberta.model(), unpadded_batch()).as<float>(),
                           hidden(without.model(), unpadded_batch()).as<float>()) < 1e-5);
}

TEST_CASE("RoBERTa's padding token has a position of its own and is not counted, in integers and from a file as well") {
  const TinyBert bert(kPlain);
  TinyBert roberta = with_positions_behind(bert), counted = bert;
  roberta.config["model_type"] = "xlm-roberta";
  const std::string positions = "embeddings.position_embeddings.weight";
  const auto from = roberta.tensors.at(positions).as<float>();
  counted.add(positions, {kPlain.positions, 48}, 0.1f);
  const auto to = counted.tensors.at(positions).writable<float>();
  for (const auto& [row, source] : {std::pair{0, 2}, std::pair{1, 1}, std::pair{2, 3}})
    std::copy_n(from.begin() + source * 48, 48, to.begin() + row * 48);
  const TokenBatch batch{{{.ids = {5, 1, 7}}}};
  CHECK(largest_difference(hidden(roberta.model(), batch).as<float>(), hidden(counted.model(), batch).as<float>()) <
        1e-5);
  check_integers(roberta.model(), batch, 0.99);
}

TEST_CASE("embeddings of another width are projected, in integers to 16 bits and the bytes of the first product") {
  TinyBert electra(kPlain);
  electra.config["model_type"] = "electra";
  electra.config["embedding_size"] = 24;
  for (const char* table : {"word", "position", "token_type"}) {
    const std::string name = "embeddings." + std::string(table) + "_embeddings.weight";
    electra.add(name, {electra.tensors.at(name).rows(), 24}, 0.4f);
  }
  electra.add("embeddings.LayerNorm.weight", {24}, 0.2f, 1.0f);
  electra.add("embeddings.LayerNorm.bias", {24}, 0.2f);
  CHECK_THROWS_WITH(electra.model(), Catch::Contains("no tensor embeddings_project.weight"));
  electra.dense("embeddings_project", 48, 24);
  electra.dense("discriminator_predictions.dense", 48, 48);
  electra.dense("discriminator_predictions.dense_prediction", 1, 48);
  check_integers(electra.model(), random_batch(3, 30, 50, 5), 0.99);
  CHECK_THROWS_WITH(
      [&] {
        Calibrator calibrator(electra.model(), {.activations = {.residual = ResidualType::int8}});
        Workspace workspace({.threads = 1});
        calibrator.observe(random_batch(16, 30, 50), workspace);
        calibrator.quantize();
      }(),
      Catch::Contains("8-bit sums need a LayerNorm after the token embeddings"));
}

TEST_CASE("ALBERT's layers are those of its group, which a file of the checkpoint holds once") {
  const std::string group = "encoder.albert_layer_groups.0.albert_layers.0.";
  TinyBert one({.layers = 1, .head_size = 16, .gate = false});
  const std::vector<std::pair<std::string, std::string>> names = {
      {"encoder.layer.0.", group},   {"attention.self.", "attention."}, {"attention.output.", "attention."},
      {"intermediate.dense", "ffn"}, {"output.dense", "ffn_output"},    {"output.LayerNorm", "full_layer_layer_norm"}};
  TinyBert albert = renamed(one, names);
  albert.add("encoder.embedding_hidden_mapping_in.weight", {48, 48}, 0.0f);
  albert.add("encoder.embedding_hidden_mapping_in.bias", {48}, 0.0f);
  for (std::size_t i = 0; i < 48; ++i)
    albert.tensors.at("encoder.embedding_hidden_mapping_in.weight").writable<float>()[49 * i] = 1.0f;
  albert.config["model_type"] = "albert";
  albert.config["embedding_size"] = 48;
  TinyBert twice = one;
  for (const auto& [name, tensor] : one.tensors) {
    if (name.starts_with("encoder.layer.0.")) twice.tensors["encoder.layer.1." + name.substr(16)] = tensor;
  }
  twice.config["num_hidden_layers"] = albert.config["num_hidden_layers"] = 2;
  CHECK(largest_difference(hidden(albert.model(), unpadded_batch()).as<float>(),
                           hidden(twice.model(), unpadded_batch()).as<float>()) < 1e-5);
  CHECK(albert.model().info().parameters == one.model().info().parameters + 48 * 49);
  check_integers(albert.model(), random_batch(3, 30, 50, 5), 0.99);
  albert.config["num_hidden_groups"] = 2;
  CHECK_THROWS_WITH(albert.model(), Catch::Contains("no tensors under encoder.albert_layer_groups.1."));
}

TEST_CASE(
    "an MPNet without a bias of scores is a BERT without types, and with one the same bits on every instruction set") {
  const TinyBert bert({.head_size = 16, .types = 0, .positions = 160, .gate = false});
  TinyBert mpnet = renamed(with_positions_behind(bert), {{"attention.self.query", "attention.attn.q"},
                                                         {"attention.self.key", "attention.attn.k"},
                                                         {"attention.self.value", "attention.attn.v"},
                                                         {"attention.output.dense", "attention.attn.o"},
                                                         {"attention.output.LayerNorm", "attention.LayerNorm"}});
  mpnet.config["model_type"] = "mpnet";
  mpnet.config.erase("type_vocab_size");
  const std::string table = "encoder.relative_attention_bias.weight";
  mpnet.add(table, {32, 3}, 0.0f);
  CHECK(equal_bytes(hidden(mpnet.model(), unpadded_batch()), hidden(bert.model(), unpadded_batch())));
  mpnet.add(table, {32, 3}, 2.0f);
  CHECK_FALSE(equal_bytes(hidden(mpnet.model(), unpadded_batch()), hidden(bert.model(), unpadded_batch())));
  check_integers(mpnet.model(), random_batch(3, 150, 50, 5), 0.98);
}

TEST_CASE("every activation between the layers' products is close to float32 in integers") {
  for (const char* activation : {"gelu_new", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu", "silu", "swish", "tanh"}) {
    INFO(activation);
    TinyBertOptions options = kPlain;
    options.activation = activation;
    check_integers(tiny_model(options), random_batch(3, 30, 50, 5), 0.995);
  }
}

}  // namespace octavo::test
