#include "octavo/model.h"

#include "graph/check_modules.h"
#include "graph/model_data.h"
#include "graph/names.h"
#include "graph/op_facts.h"
#include "graph/text_task.h"
#include "io/safetensors.h"
#include "model_file/check_quantized.h"
#include "model_file/embedding_json.h"
#include "model_file/graph_json.h"
#include "model_file/info_json.h"

#include "octavo/error.h"
#include "octavo/tokenizer.h"

#include <algorithm>
#include <sstream>

namespace octavo {
namespace {

using nlohmann::json;

constexpr int kFormatVersion = 1;

const std::string& metadata(const SafetensorsFile& file, std::string_view key) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw Error("its header has no " + std::string(key) + ", expected a model written by octavo");
  return found->second;
}

void check_version(const SafetensorsFile& file) {
  if (metadata(file, "format") != "octavo") {
    throw Error("its header says format \"" + metadata(file, "format") + "\", expected \"octavo\"");
  }
  if (metadata(file, "format_version") != std::to_string(kFormatVersion)) {
    throw Error("its format version is \"" + metadata(file, "format_version") + "\", this program reads version " +
                std::to_string(kFormatVersion));
  }
}

std::string renamed(const std::string& name, const std::vector<Renamed>& rules) {
  for (const Renamed& rule : rules) {
    if (name.starts_with(rule.from)) return rule.to + name.substr(rule.from.size());
  }
  return name;
}

Model::Data read_model(SafetensorsFile file) {
  check_version(file);
  Model::Data data;
  data.info = info_from_json(JsonObject::parse(metadata(file, "info"), "info"));
  GraphFromJson read = read_graph(JsonObject::parse(metadata(file, "graph"), "graph"));
  data.graph = std::move(read.graph);
  data.integer = std::move(read.integer);
  data.info.outputs = describe_outputs(data.graph);
  data.info.task = text_task(data.graph, data.info);
  if (const std::string& text = metadata(file, "tokenizer"); !text.empty())
    data.tokenizer = Tokenizer::from_json(text, "tokenizer");
  data.provenance = metadata(file, "provenance");
  if (!data.provenance.empty()) JsonObject::parse(data.provenance, "provenance");
  if (file.metadata.contains("labels"))
    data.labels = JsonObject::parse(metadata(file, "labels"), "labels").texts("labels");
  if (!data.labels.empty() && static_cast<int>(data.labels.size()) != data.info.classes) {
    throw Error("labels: there are " + std::to_string(data.labels.size()) + ", expected " +
                std::to_string(data.info.classes));
  }
  if (file.metadata.contains("modules"))
    data.modules = modules_from_json(JsonObject::parse(metadata(file, "modules"), "modules"));
  for (auto& [name, tensor] : file.tensors) data.tensors.emplace(renamed(name, read.renamed), std::move(tensor));
  check_quantized(data);
  check_modules(data);
  return data;
}

std::size_t total_bytes(const TensorMap& tensors) {
  std::size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  return bytes;
}

/// From hidden states to embeddings, and from texts to tokens.
void describe_embedding(const Model::Data& data, std::ostream& out) {
  const EmbeddingInfo& embedding = data.info.embedding;
  out << "embedding: ";
  if (embedding.output.empty()) {
    out << "pooling";
    for (const Pooling pooling : embedding.pooling) out << " " << name_of(pooling);
  } else {
    out << embedding.output;
  }
  if (!embedding.include_prompt) out << " without the prompt";
  for (const EmbeddingModule& module : data.modules) out << ", " << describe(module);
  if (embedding.truncate_dim) out << ", the first " << *embedding.truncate_dim << " numbers";
  out << (embedding.normalize ? ", normalized" : ", not normalized") << "; similarity " << name_of(embedding.similarity)
      << "\n";
  if (data.info.image) return;
  out << "texts: cut to " << data.info.max_length << " tokens";
  for (const auto& [name, text] : embedding.prompts) {
    out << ", prompt " << name << (name == embedding.default_prompt_name ? " (default) " : " ")
        << nlohmann::json(text).dump();
  }
  out << "\n";
}

/// "12 heads", and how many there are of keys and values where these are fewer.
std::string heads_text(const Model::Data& data) {
  std::string text = std::to_string(data.info.attention_heads) + " heads";
  for (const Node& node : data.graph.nodes) {
    const std::optional<AttentionFacts> facts = attention_facts(data.graph, node);
    if (!facts || facts->key_value_heads == facts->heads) continue;
    return text + " (" + std::to_string(facts->key_value_heads) + " of keys and values)";
  }
  return text;
}

/// Whether a node's product has 4-bit weights.
bool has_four_bit_weights(const Model::Data& data, const Node& node) {
  return data.tensors.contains(data.graph.name(node.output) + part::kGroupMultiplier);
}

/// Names of the values whose products have 4-bit weights.
std::vector<std::string> four_bit_products(const Model::Data& data) {
  std::vector<std::string> names;
  for (const Node& node : data.graph.nodes) {
    if (has_four_bit_weights(data, node)) names.push_back(data.graph.name(node.output));
  }
  return names;
}

}  // namespace

Model::Model(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

Model Model::from_file(const std::filesystem::path& file, const OpenOptions& options) {
  SafetensorsFile contents = read_safetensors(file, options.mapped ? FileBytes::mapped : FileBytes::copied);
  try {
    return Model(std::make_shared<const Data>(read_model(std::move(contents))));
  } catch (const Error& error) {
    throw Error(file.string() + ": " + error.what());
  }
}

Model Model::open(const std::filesystem::path& path, const OpenOptions& options) {
  if (!std::filesystem::exists(path)) throw Error(path.string() + ": no such file or directory");
  return std::filesystem::is_directory(path) ? from_checkpoint(path) : from_file(path, options);
}

void Model::save(const std::filesystem::path& file) const {
  if (!is_quantized()) throw Error(info().name + " is a float32 model; only a quantized one can be saved");
  const json graph = {{"nodes", nodes_to_json(data_->graph, *data_->integer)},
                      {"outputs", outputs_to_json(data_->graph)}};
  std::map<std::string, std::string, std::less<>> metadata = {
      {"format", "octavo"},
      {"format_version", std::to_string(kFormatVersion)},
      {"info", info_to_json(data_->info).dump()},
      {"graph", graph.dump()},
      {"tokenizer", has_tokenizer() ? tokenizer().to_json() : ""},
      {"provenance", data_->provenance}};
  if (!data_->labels.empty()) metadata["labels"] = json{{"labels", data_->labels}}.dump();
  if (!data_->modules.empty()) metadata["modules"] = json{{"modules", modules_to_json(data_->modules)}}.dump();
  write_safetensors(file, data_->tensors, metadata);
}

Model Model::with_report(const std::string& report) const {
  if (!is_quantized()) throw Error(info().name + " is a float32 model; only a quantized one keeps a report");
  JsonObject::parse(report, "report");
  auto data = std::make_shared<Data>(*data_);
  json provenance = data->provenance.empty() ? json::object() : json::parse(data->provenance);
  provenance["report"] = json::parse(report);
  data->provenance = provenance.dump();
  return Model(std::move(data));
}

bool Model::is_quantized() const { return data_->integer.has_value(); }

const ModelInfo& Model::info() const { return data_->info; }

const std::vector<std::string>& Model::warnings() const { return data_->warnings; }

const std::vector<std::string>& Model::labels() const { return data_->labels; }

bool Model::has_tokenizer() const { return data_->tokenizer.has_value(); }

const Tokenizer& Model::tokenizer() const {
  if (!has_tokenizer()) throw Error(info().name + ": has no tokenizer, so it cannot read text");
  return *data_->tokenizer;
}

std::string Model::summary_json() const {
  json result = info_to_json(data_->info);
  if (!data_->modules.empty()) result["modules"] = modules_to_json(data_->modules);
  if (!info().image) result["max_length"] = info().max_length;
  result["precision"] = is_quantized() ? "int8" : "float32";
  result["tensor_bytes"] = total_bytes(data_->tensors);
  if (const auto names = four_bit_products(*data_); !names.empty()) result["four_bit_weights"] = names;
  if (is_quantized()) result["nodes"] = nodes_to_json(data_->graph, *data_->integer);
  if (!data_->provenance.empty()) result["calibration"] = json::parse(data_->provenance);
  return result.dump();
}

std::string Model::summary() const {
  const ModelInfo& info = data_->info;
  std::ostringstream out;
  out << info.name << ": " << info.family << ", " << info.layers << " layers, hidden size " << info.hidden_size << ", "
      << heads_text(*data_) << ", intermediate size " << info.intermediate_size;
  if (info.image) {
    out << ", images of " << info.image->width << " x " << info.image->height << ", " << info.max_positions
        << " tokens each, " << info.classes << " classes\n";
  } else {
    out << ", vocabulary " << info.vocab_size << ", at most " << info.max_positions << " tokens\n";
  }
  const std::size_t four_bit = four_bit_products(*data_).size();
  out << "precision " << (is_quantized() ? "int8" : "float32")
      << (four_bit > 0 ? ", 4-bit weights in " + std::to_string(four_bit) + " products" : "") << ", " << info.parameters
      << " parameters, " << (total_bytes(data_->tensors) + 50'000) / 100'000 / 10.0 << " MB of tensors\n"
      << (info.softmax.softmax1 ? "softmax-1"
          : info.softmax.sink   ? "softmax with sinks"
                                : "softmax")
      << " gamma " << info.softmax.gamma << " zeta " << info.softmax.zeta
      << (info.softmax.prune > 0.0 ? ", pruned" : "") << (info.softmax.log_bits > 0 ? " to few levels" : "")
      << ", gate " << info.gate << " scale " << info.gate_scale << ", tokenizer "
      << (has_tokenizer() ? "included" : "none") << "\n";
  for (const std::string& name : info.removed_sublayers) out << "without " << name << "\n";
  describe_embedding(*data_, out);
  if (!data_->provenance.empty()) out << "calibration " << data_->provenance << "\n";
  for (std::size_t i = 0; i < data_->graph.nodes.size(); ++i) {
    const Node& node = data_->graph.nodes[i];
    out << "  " << op_name(node.op) << " " << data_->graph.name(node.output) << " ["
        << data_->graph.columns(node.output) << "]";
    const int removed = data_->graph.value(node.output).removed;
    if (removed > 0) out << " of " << info.max_positions - removed << " tokens";
    if (is_quantized()) out << ": " << describe_encodings(data_->integer->ops[i]);
    if (has_four_bit_weights(*data_, node)) out << ", 4-bit weights";
    out << "\n";
  }
  return out.str();
}

}  // namespace octavo
