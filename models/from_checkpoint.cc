// Which family a checkpoint directory belongs to, and what lies beside its weights: tokenizer and pooling.
#include "io/safetensors.h"
#include "models/families.h"
#include "models/image_config.h"

#include "octavo/error.h"
#include "octavo/tokenizer.h"

#include <fstream>

namespace octavo {
namespace {

/// The sentence-transformers pooling module, mean when there is none.
Pooling read_pooling(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "1_Pooling" / "config.json";
  if (!std::filesystem::exists(file)) return Pooling::mean;
  const JsonObject config = JsonObject::read(file);
  for (const char* mode : {"pooling_mode_max_tokens", "pooling_mode_mean_sqrt_len_tokens",
                           "pooling_mode_weightedmean_tokens", "pooling_mode_lasttoken"}) {
    if (config.flag_or(mode, false)) config.fail(mode, "false: mean and class-token pooling are supported");
  }
  const bool cls = config.flag_or("pooling_mode_cls_token", false),
             mean = config.flag_or("pooling_mode_mean_tokens", false);
  if (cls == mean) config.fail("pooling_mode_cls_token", "exactly one of it and pooling_mode_mean_tokens to be true");
  return cls ? Pooling::cls : Pooling::mean;
}

/// Names of the classes: config.json's id2label or label_names, or the lines of labels.txt; none when there are none.
std::vector<std::string> read_labels(const std::filesystem::path& directory, int classes,
                                     std::vector<std::string>& warnings) {
  const JsonObject config = JsonObject::read(directory / "config.json", "config.json");
  std::vector<std::string> labels = labels_of_config(config, classes);
  std::ifstream file(directory / "labels.txt");
  const bool in_file = labels.empty();
  for (std::string line; in_file && std::getline(file, line); labels.push_back(line)) {
    if (line.ends_with('\r')) line.pop_back();
  }
  for (const char* key : {"id2label", "label_names"}) {
    if (labels.empty() && config.has(key)) {
      warnings.push_back("config.json: " + std::string(key) + " does not name the " + std::to_string(classes) +
                         " classes of the checkpoint; they have no names");
    }
  }
  if (!labels.empty() && static_cast<int>(labels.size()) != classes) {
    throw Error(directory.string() + ": has " + std::to_string(labels.size()) + " labels, expected " +
                std::to_string(classes) + ", one per class");
  }
  return labels;
}

Model::Data read_family(const std::filesystem::path& directory, const CheckpointOptions& options) {
  const JsonObject config = JsonObject::read(directory / "config.json");
  TensorMap tensors = read_checkpoint_tensors(directory);
  try {
    const std::string type = config.text_or("model_type", "");
    if (type == "bert") return bert_from_checkpoint(config, std::move(tensors), options);
    if (type == "opt") return opt_from_checkpoint(config, std::move(tensors), options);
    const std::string architecture = type.empty() ? config.text_or("architecture", "") : "";
    if (type == "vit" || type == "deit" || architecture.starts_with("vit_") || architecture.starts_with("deit_")) {
      return vit_from_checkpoint(config, read_image_processor(directory), std::move(tensors), options);
    }
    config.fail("model_type", "bert, opt, vit or deit, or timm's \"architecture\" vit_... or deit_...");
  } catch (const Error& error) {
    const std::string message = error.what(), where = directory.string();
    throw Error(message.starts_with(where) ? message : where + ": " + message);
  }
}

std::string read_tokenizer(const std::filesystem::path& directory) {
  for (const char* file : {"tokenizer.json", "vocab.txt", "merges.txt"}) {
    if (std::filesystem::exists(directory / file)) return Tokenizer::from_checkpoint(directory).to_json();
  }
  return "";
}

}  // namespace

Model Model::from_checkpoint(const std::filesystem::path& directory, const CheckpointOptions& options) {
  if (!std::filesystem::is_directory(directory)) throw Error(directory.string() + ": is not a checkpoint directory");
  Data data = read_family(directory, options);
  data.info.name = std::filesystem::weakly_canonical(directory).filename().string();
  if (!data.info.image) data.info.pooling = read_pooling(directory);
  if (data.info.classes > 0) data.labels = read_labels(directory, data.info.classes, data.warnings);
  for (const auto& [name, tensor] : data.tensors) data.info.parameters += tensor.elements();
  data.tokenizer = read_tokenizer(directory);
  return Model(std::make_shared<const Data>(std::move(data)));
}

}  // namespace octavo
