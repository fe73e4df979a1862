// Which family a checkpoint directory belongs to, and what lies beside its weights: tokenizer, labels, modules.
#include "graph/text_task.h"
#include "io/safetensors.h"
#include "models/directory/generation_config.h"
#include "models/directory/image_config.h"
#include "models/directory/sentence_transformers.h"
#include "models/directory/task_config.h"
#include "models/families.h"
#include "models/parts/layer_loop.h"

#include "octavo/error.h"
#include "octavo/tokenizer.h"

#include <fstream>

namespace octavo {
namespace {

/// Names of the classes: config.json's id2label or label_names, or the lines of labels.txt; none when there are none.
std::vector<std::string> read_labels(const std::filesystem::path& directory, const JsonObject& config, int classes,
                                     std::vector<std::string>& warnings) {
  std::vector<std::string> labels = labels_of_config(config, classes);
  std::ifstream file(directory / "labels.txt");
  const bool in_file = labels.empty();
  for (std::string line; in_file && std::getline(file, line); labels.push_back(line)) {
    if (line.ends_with('\r')) line.pop_back();
  }
  for (const char* key : {"id2label", "label_names"}) {
    if (labels.empty() && config.has(key)) {
      warnings.push_back(config.where() + ": " + std::string(key) + " does not name the " + std::to_string(classes) +
                         " classes of the checkpoint; they have no names");
    }
  }
  if (!labels.empty() && static_cast<int>(labels.size()) != classes) {
    throw Error(directory.string() + ": has " + std::to_string(labels.size()) + " labels, expected " +
                std::to_string(classes) + ", one per class");
  }
  return labels;
}

Model::Data read_family(const std::filesystem::path& directory, const JsonObject& config,
                        const CheckpointOptions& options) {
  TensorMap tensors = read_checkpoint_tensors(directory);
  try {
    for (const Family* family : kFamilies) {
      if (!family->reads(config)) continue;
      std::vector<std::string> warnings;
      const TaskConfig task = read_task_config(config, warnings);
      const std::optional<JsonObject> image_processor = read_image_processor(directory);
      const JsonObject unrolled = unroll_layers(config, family->layers_key, tensors);
      Model::Data data = family->read({unrolled, image_processor, std::move(tensors), options});
      add_task_config(task, data.info);
      data.warnings.insert(data.warnings.begin(), warnings.begin(), warnings.end());
      return data;
    }
    std::string known;
    for (const Family* family : kFamilies) known += (known.empty() ? "" : ", ") + std::string(family->model_types);
    config.fail("model_type", known);
  } catch (const Error& error) {
    const std::string message = error.what(), where = directory.string();
    throw Error(message.starts_with(where) ? message : where + ": " + message);
  }
}

void read_tokenizer(const std::filesystem::path& directory, Model::Data& data) {
  for (const char* file : {"tokenizer.json", "vocab.txt", "merges.txt"}) {
    if (!std::filesystem::exists(directory / file)) continue;
    data.tokenizer = Tokenizer::from_checkpoint(directory, data.info.type_vocab_size);
    const std::vector<std::string>& warnings = data.tokenizer->warnings();
    data.warnings.insert(data.warnings.end(), warnings.begin(), warnings.end());
    return;
  }
}

}  // namespace

Model Model::from_checkpoint(const std::filesystem::path& directory, const CheckpointOptions& options) {
  if (!std::filesystem::is_directory(directory)) throw Error(directory.string() + ": is not a checkpoint directory");
  SentenceTransformer sentence = read_sentence_transformer(directory);
  const std::filesystem::path folder = sentence.transformer.empty() ? directory : directory / sentence.transformer;
  const JsonObject config = JsonObject::read(folder / "config.json");
  Data data = read_family(folder, config, options);
  data.info.name = std::filesystem::weakly_canonical(directory).filename().string();
  data.info.max_length = data.info.max_positions;
  data.info.matformer_factor = config.integer_or("matformer_factor", 1, 1024, 1);
  if (data.info.classes > 0) data.labels = read_labels(folder, config, data.info.classes, data.warnings);
  if (!data.info.image) read_tokenizer(folder, data);  // of a tower of texts beside it
  read_generation_config(folder, data);
  if (!data.info.image)
    add_sentence_transformer(std::move(sentence), directory, data);
  else if (std::filesystem::exists(directory / "modules.json"))
    throw Error((directory / "modules.json").string() + ": is there for models of texts only");
  data.info.outputs = describe_outputs(data.graph);
  data.info.task = text_task(data.graph, data.info);
  if (data.info.embedding.sparse && data.info.task != TextTask::masked_language_model)
    throw Error(directory.string() + ": its sparse embeddings need a head that predicts masked tokens, which it lacks");
  data.info.parameters = count_elements(data.tensors);
  return Model(std::make_shared<const Data>(std::move(data)));
}

}  // namespace octavo
