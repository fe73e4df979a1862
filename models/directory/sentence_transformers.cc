// modules.json and the folders that it names.
#include "models/directory/sentence_transformers.h"

#include "graph/check_modules.h"
#include "io/mapped_file.h"
#include "io/safetensors.h"
#include "models/parts/config_keys.h"

#include "octavo/error.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace octavo {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 8> kModules = {"Transformer", "Pooling", "Dense",          "LayerNorm",
                                                      "Normalize",   "Dropout", "MLMTransformer", "SpladePooling"};

constexpr std::size_t kLongestPath = 255;  // bytes of a name in a file system

/// Of an element of modules.json: place, label, and what the module's forward() may be called with.
constexpr std::string_view kHarmlessOfModule[] = {"idx", "name", "kwargs"};

/// An element of modules.json.
struct Entry {
  std::string kind;  // one of kModules
  std::string path;
  JsonObject json;
};

/// The class at the end of "sentence_transformers.models.Dense" and of the longer names since version 5.4.
std::string kind_of(const JsonObject& module) {
  const std::string type = module.text("type");
  const std::string kind = type.substr(type.rfind('.') + 1);
  if (!type.starts_with("sentence_transformers.") || std::ranges::find(kModules, kind) == kModules.end())
    module.fail(
        "type",
        "one of sentence_transformers' own Transformer, Pooling, Dense, LayerNorm, Normalize and SpladePooling");
  return kind;
}

std::string path_of(const JsonObject& module) {
  const std::string path = module.text("path");
  const fs::path parts(path);
  const bool is_within = !parts.is_absolute() && std::find(parts.begin(), parts.end(), "..") == parts.end();
  if (!is_within || path.size() > kLongestPath || path.find('\0') != std::string::npos)
    module.fail("path", "a folder within the checkpoint");
  return path;
}

std::vector<Entry> read_entries(const fs::path& directory, std::vector<std::string>& warnings) {
  const fs::path file = directory / "modules.json";
  const JsonObject all({{"modules", parse_json(MappedFile(file).bytes(), file.string())}}, file.string());
  std::vector<Entry> result;
  for (const JsonObject& module : all.list("modules")) {
    result.push_back({.kind = kind_of(module), .path = path_of(module), .json = module});
    warn_of_unknown_keys(module, kHarmlessOfModule, warnings);
  }
  return result;
}

/// The kinds of pooling of an old file, in the order in which they are concatenated.
std::vector<Pooling> flagged_pooling(const JsonObject& config) {
  constexpr std::pair<const char*, Pooling> kFlags[] = {
      {"pooling_mode_cls_token", Pooling::cls},
      {"pooling_mode_max_tokens", Pooling::max},
      {"pooling_mode_mean_tokens", Pooling::mean},
      {"pooling_mode_mean_sqrt_len_tokens", Pooling::mean_sqrt_len_tokens},
      {"pooling_mode_weightedmean_tokens", Pooling::weightedmean},
      {"pooling_mode_lasttoken", Pooling::lasttoken}};
  std::vector<Pooling> result;
  for (const auto& [key, pooling] : kFlags) {
    if (config.flag_or(key, false)) result.push_back(pooling);
  }
  return result.empty() ? std::vector{Pooling::mean} : result;
}

/// A name or a list of names, as files since version 5.4 have it.
std::vector<Pooling> named_pooling(const JsonObject& config) {
  if (config.is_text("pooling_mode")) return {read_name(config, "pooling_mode", kPoolings)};
  std::vector<Pooling> result;
  for (const std::string& name : config.texts("pooling_mode")) {
    const auto found = std::ranges::find(kPoolings, name, &Name<Pooling>::name);
    if (found == std::end(kPoolings))
      config.fail("pooling_mode", "cls, max, mean, mean_sqrt_len_tokens, weightedmean or lasttoken");
    result.push_back(found->value);
  }
  if (result.empty() || result.size() > kMostPoolings)
    config.fail("pooling_mode", "1 to " + std::to_string(kMostPoolings) + " names");
  return result;
}

void read_pooling(const fs::path& directory, const std::string& path, SentenceTransformer& sentence) {
  const JsonObject config = JsonObject::read(directory / path / "config.json");
  const std::vector<Pooling> flagged = flagged_pooling(config);  // without effect beside a name
  sentence.embedding.pooling = config.has("pooling_mode") ? named_pooling(config) : flagged;
  sentence.embedding.include_prompt = config.flag_or("include_prompt", true);
  for (const char* key : {"word_embedding_dimension", "embedding_dimension"}) {
    if (config.has(key)) sentence.token_columns = static_cast<int>(config.integer(key, 1, kWidestEmbedding));
  }
  for (const std::string& key : config.unread()) {
    if (key.starts_with("pooling_mode")) config.fail(key, "a kind of pooling that octavo knows");
  }
  warn_of_unknown_keys(config, {}, sentence.warnings);
}

/// The sparse embedding of a masked language model. How many tokens are worked on at once changes nothing.
void read_splade_pooling(const fs::path& directory, const std::string& path, SentenceTransformer& sentence) {
  constexpr std::string_view kHarmless[] = {"word_embedding_dimension", "embedding_dimension", "chunk_size"};
  const JsonObject config = JsonObject::read(directory / path / "config.json");
  SparseInfo sparse;
  if (config.has("pooling_strategy")) sparse.pooling_strategy = read_name(config, "pooling_strategy", kSparsePoolings);
  if (config.has("activation_function"))
    sparse.activation_function = read_name(config, "activation_function", kSparseActivations);
  sentence.embedding.sparse = sparse;
  warn_of_unknown_keys(config, kHarmless, sentence.warnings);
}

/// A module that would read or write anything but the embedding is refused.
void require_embedding(const JsonObject& config) {
  for (const char* key : {"module_input_name", "module_output_name"}) {
    if (config.text_or(key, "sentence_embedding") != "sentence_embedding") config.fail(key, "sentence_embedding");
  }
}

DenseActivation read_activation(const JsonObject& config) {
  const std::string key = "activation_function", path = config.text_or(key, "torch.nn.modules.activation.Tanh");
  const std::string name = path.substr(path.rfind('.') + 1);
  const auto found = std::ranges::find(kDenseActivations, name, &Name<DenseActivation>::name);
  if (!path.starts_with("torch.nn.") || found == std::end(kDenseActivations))
    config.fail(key, "torch.nn's Identity, Tanh, ReLU, Sigmoid, GELU or SiLU");
  return found->value;
}

DenseModule read_dense(const JsonObject& config, const std::string& path) {
  require_embedding(config);
  return {.name = path,
          .in_features = static_cast<int>(config.integer("in_features", 1, kWidestEmbedding)),
          .out_features = static_cast<int>(config.integer("out_features", 1, kWidestEmbedding)),
          .has_bias = config.flag_or("bias", true),
          .activation = read_activation(config),
          .use_residual = config.flag_or("use_residual", false)};
}

/// The tensors of a module's file in f32; all of them must be the module's.
void read_tensors(const fs::path& folder, const EmbeddingModule& module, TensorMap& tensors) {
  if (!fs::exists(folder / "model.safetensors") && fs::exists(folder / "pytorch_model.bin"))
    throw Error((folder / "pytorch_model.bin").string() + ": is a pickle, expected a model.safetensors in its place");
  const std::string file = (folder / "model.safetensors").string();
  const SafetensorsFile contents = read_safetensors(file);
  TensorMap found;
  for (const auto& [name, tensor] : contents.tensors)
    found.emplace(std::visit([](const auto& m) { return m.name; }, module) + "/" + name, tensor);
  const auto expected = tensors_of(module);
  for (const auto& [name, tensor] : found) {
    if (!expected.contains(name)) throw Error(file + ": tensor " + name + " is not one of a " + title(module));
  }
  for (const auto& [name, shape] : expected) {
    if (!found.contains(name)) throw Error(file + ": has no tensor " + name.substr(name.rfind('/') + 1));
    try {
      tensors.insert_or_assign(name, to_f32(found.at(name), name));
    } catch (const Error& error) {
      throw Error(file + ": " + error.what());
    }
  }
}

void read_module(const fs::path& directory, const Entry& entry, SentenceTransformer& sentence) {
  if (entry.kind == "Dropout") return;  // only while training
  const fs::path folder = directory / entry.path, file = folder / "config.json";
  if (entry.kind == "Normalize") {
    const JsonObject config = fs::exists(file) ? JsonObject::read(file) : JsonObject::parse("{}", file.string());
    require_embedding(config);
    warn_of_unknown_keys(config, {}, sentence.warnings);
    sentence.modules.push_back(NormalizeModule{.name = entry.path});
    return;
  }
  const JsonObject config = JsonObject::read(file);
  if (entry.kind == "Dense") {
    sentence.modules.push_back(read_dense(config, entry.path));
  } else {
    sentence.modules.push_back(LayerNormModule{
        .name = entry.path, .dimension = static_cast<int>(config.integer("dimension", 1, kWidestEmbedding))});
  }
  warn_of_unknown_keys(config, {}, sentence.warnings);
  read_tensors(folder, sentence.modules.back(), sentence.tensors);
}

/// Transformer, Pooling and any others behind them; or a masked language model and SpladePooling, and no others. Throws
/// Error for a module in another place.
void require_order(const std::vector<Entry>& entries, bool sparse) {
  const auto require = [&](std::size_t place, bool valid, const char* expected) {
    if (place < entries.size() && !valid) entries[place].json.fail("type", expected);
  };
  const auto is = [&](std::size_t place, std::string_view kind) {
    return place < entries.size() && entries[place].kind == kind;
  };
  require(0, is(0, "Transformer") || is(0, "MLMTransformer"), "a Transformer in this place");
  const bool splade = is(1, "SpladePooling");
  require(1, splade || is(1, "Pooling"), "a Pooling in this place");
  require(1, splade || !(sparse || is(0, "MLMTransformer")), "a SpladePooling behind a masked language model");
  for (std::size_t i = 2; i < entries.size(); ++i) {
    require(i, !splade, "nothing behind the SpladePooling");
    const bool again = is(i, "Transformer") || is(i, "MLMTransformer") || is(i, "Pooling") || is(i, "SpladePooling");
    require(i, !again, "Dense, LayerNorm or Normalize behind the Pooling");
  }
}

void read_modules(const fs::path& directory, SentenceTransformer& sentence) {
  const std::vector<Entry> entries = read_entries(directory, sentence.warnings);
  require_order(entries, sentence.embedding.sparse.has_value());
  const std::string file = (directory / "modules.json").string();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const Entry& entry = entries[i];
    if (i == 0)
      sentence.transformer = entry.path;
    else if (entry.kind == "SpladePooling")
      read_splade_pooling(directory, entry.path, sentence);
    else if (i == 1)
      read_pooling(directory, entry.path, sentence);
    else
      read_module(directory, entry, sentence);
  }
  if (entries.size() < 2) throw Error(file + ": has no Pooling, expected one behind the Transformer");
  std::vector<EmbeddingModule>& modules = sentence.modules;
  sentence.embedding.normalize = !modules.empty() && std::holds_alternative<NormalizeModule>(modules.back());
  while (!modules.empty() && std::holds_alternative<NormalizeModule>(modules.back())) modules.pop_back();
}

}  // namespace

SentenceTransformer read_sentence_transformer(const fs::path& directory) {
  SentenceTransformer sentence;
  const bool embeds = read_sentence_config(directory, sentence);
  if (embeds && fs::exists(directory / "modules.json"))
    read_modules(directory, sentence);
  else if (embeds && fs::exists(directory / "1_Pooling" / "config.json"))
    read_pooling(directory, "1_Pooling", sentence);
  read_transformer_config(directory / sentence.transformer, embeds, sentence);
  return sentence;
}

void add_sentence_transformer(SentenceTransformer sentence, const fs::path& directory, Model::Data& data) {
  const int columns = sentence.token_columns.value_or(data.info.hidden_size);
  if (columns != data.info.hidden_size) {
    throw Error(directory.string() + ": the pooling file says that tokens have " + std::to_string(columns) +
                " numbers, but hidden_size is " + std::to_string(data.info.hidden_size));
  }
  data.info.max_length = read_max_length(directory / sentence.transformer, data.info.max_positions, sentence);
  data.info.embedding = std::move(sentence.embedding);
  data.modules = std::move(sentence.modules);
  data.tensors.merge(sentence.tensors);
  data.warnings.insert(data.warnings.end(), sentence.warnings.begin(), sentence.warnings.end());
  if (sentence.do_lower_case && data.tokenizer) data.tokenizer = lower_cased(*data.tokenizer);
  try {
    check_modules(data);
  } catch (const Error& error) {
    throw Error(directory.string() + ": " + error.what());
  }
}

}  // namespace octavo
