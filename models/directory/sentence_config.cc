// What a sentence-transformers directory says of prompts, comparison, and the length and case of texts.
#include "models/directory/sentence_transformers.h"
#include "models/parts/config_keys.h"

#include "octavo/error.h"
#include "octavo/tokenizer.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kSentenceConfig = "config_sentence_transformers.json";

/// Older versions named it after the model.
constexpr const char* kTransformerConfigs[] = {"sentence_bert_config.json",       "sentence_roberta_config.json",
                                               "sentence_distilbert_config.json", "sentence_camembert_config.json",
                                               "sentence_albert_config.json",     "sentence_xlm-roberta_config.json",
                                               "sentence_xlnet_config.json"};

/// Versions of packages.
constexpr std::string_view kHarmlessOfConfig[] = {"__version__", "requirements"};

/// How a batch is laid out; what a model that makes no embeddings reads and gives.
constexpr std::string_view kHarmlessOfTransformer[] = {"unpad_inputs", "modality_config", "module_output_name"};

void read_prompts(const JsonObject& config, EmbeddingInfo& embedding) {
  const JsonObject prompts = config.section("prompts");
  for (const std::string& name : prompts.keys()) embedding.prompts[name] = prompts.text_or(name, "");
  embedding.default_prompt_name = config.text_or("default_prompt_name", "");
  if (embedding.default_prompt_name.empty() || embedding.prompts.contains(embedding.default_prompt_name)) return;
  // sentence-transformers has these two, empty, without being told.
  if (embedding.default_prompt_name != "query" && embedding.default_prompt_name != "document")
    config.fail("default_prompt_name", "the name of one of its prompts");
  embedding.default_prompt_name.clear();
}

/// Anything of texts but this output of the transformer is refused.
void require_output(const JsonObject& config, const std::string& output) {
  const JsonObject modalities = config.section("modality_config");
  for (const std::string& name : modalities.keys()) {
    const JsonObject modality = modalities.section(name);
    if (name != "text") modalities.fail(name, "text alone");
    if (modality.text_or("method", "forward") != "forward") modality.fail("method", "forward");
    if (modality.text_or("method_output_name", output) != output) modality.fail("method_output_name", output);
  }
  if (config.text_or("module_output_name", "token_embeddings") != "token_embeddings")
    config.fail("module_output_name", "token_embeddings");
}

/// Arguments for PyTorch that change the answer are refused.
void require_no_arguments(const JsonObject& config) {
  for (const char* key : {"model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args",
                          "config_kwargs", "processing_kwargs"}) {
    const JsonObject arguments = config.section(key);
    for (const char* harmless :
         {"attn_implementation", "cache_dir", "device_map", "dtype", "local_files_only", "low_cpu_mem_usage",
          "revision", "token", "torch_dtype", "trust_remote_code", "use_fast", "use_safetensors"}) {
      arguments.has(harmless);
    }
    for (const std::string& argument : arguments.unread()) arguments.fail(argument, "no such argument");
  }
}

void read_transformer_file(const JsonObject& config, bool embeds, SentenceTransformer& sentence) {
  if (config.has("max_seq_length"))
    sentence.max_seq_length = static_cast<int>(config.integer("max_seq_length", 1, 1 << 30));
  sentence.do_lower_case = config.flag_or("do_lower_case", false);
  const bool sparse = sentence.embedding.sparse.has_value();
  const std::string task = sparse ? "fill-mask" : "feature-extraction",
                    found = config.text_or("transformer_task", task);
  if (embeds && found != task) config.fail("transformer_task", task);
  if (embeds) require_output(config, sparse ? "logits" : "last_hidden_state");
  require_no_arguments(config);
  if (config.has("tokenizer_name_or_path")) config.fail("tokenizer_name_or_path", "the tokenizer beside the weights");
  for (const char* key : {"query_length", "document_length", "query_expansion"}) {
    if (config.has(key)) config.fail(key, "null: texts of one length");
  }
  warn_of_unknown_keys(config, kHarmlessOfTransformer, sentence.warnings);
}

bool has_lowercase(const json& normalizer) {
  if (!normalizer.is_object()) return false;
  if (normalizer.value("type", "") == "Lowercase") return true;
  const json parts = normalizer.value("normalizers", json::array());
  return std::any_of(parts.begin(), parts.end(), has_lowercase);
}

/// BERT's normalizer does it itself; only whether accents are stripped must not change with it.
json lower_cased_bert(json normalizer) {
  if (normalizer.value("lowercase", true)) return normalizer;
  if (!normalizer.contains("strip_accents") || normalizer["strip_accents"].is_null())
    normalizer["strip_accents"] = false;
  normalizer["lowercase"] = true;
  return normalizer;
}

}  // namespace

bool read_sentence_config(const fs::path& directory, SentenceTransformer& sentence) {
  const fs::path file = directory / kSentenceConfig;
  if (!fs::exists(file)) return true;
  const JsonObject config = JsonObject::read(file);
  const std::string type = config.text_or("model_type", "SentenceTransformer");
  if (type == "CrossEncoder") {
    sentence.warnings.push_back(std::string(kSentenceConfig) +
                                ": model_type is CrossEncoder; an embedding is the mean of the last hidden state");
    return false;
  }
  if (type == "SparseEncoder") {
    sentence.embedding.sparse = SparseInfo{};  // what modules.json leaves open
    sentence.embedding.similarity = Similarity::dot;
  } else if (type != "SentenceTransformer") {
    config.fail("model_type", "SentenceTransformer, SparseEncoder or CrossEncoder");
  }
  read_prompts(config, sentence.embedding);
  if (config.has("similarity_fn_name"))
    sentence.embedding.similarity = read_name(config, "similarity_fn_name", kSimilarities);
  if (config.has("truncate_dim"))
    sentence.embedding.truncate_dim = static_cast<int>(config.integer("truncate_dim", 1, kWidestEmbedding));
  warn_of_unknown_keys(config, kHarmlessOfConfig, sentence.warnings);
  return true;
}

void read_transformer_config(const fs::path& folder, bool embeds, SentenceTransformer& sentence) {
  const auto found =
      std::ranges::find_if(kTransformerConfigs, [&](const char* name) { return fs::exists(folder / name); });
  if (found == std::end(kTransformerConfigs)) return;
  read_transformer_file(JsonObject::read(folder / *found), embeds, sentence);
}

int read_max_length(const fs::path& folder, int positions, SentenceTransformer& sentence) {
  if (sentence.max_seq_length) {
    if (*sentence.max_seq_length > positions) {
      sentence.warnings.push_back("max_seq_length is " + std::to_string(*sentence.max_seq_length) +
                                  ", but the model has " + std::to_string(positions) +
                                  " positions; longer texts are cut to that");
    }
    return std::min(*sentence.max_seq_length, positions);
  }
  const fs::path file = folder / "tokenizer_config.json";
  if (!fs::exists(file)) return positions;
  // Where there is no limit, transformers writes 1e30.
  const double limit = JsonObject::read(file).number_or("model_max_length", 1.0, 1e300, 1e300);
  return limit < positions ? static_cast<int>(std::floor(limit)) : positions;
}

Tokenizer lower_cased(const Tokenizer& original) {
  json tokenizer = json::parse(original.to_json());
  json& normalizer = tokenizer["normalizer"];
  const json lowercase = {{"type", "Lowercase"}};
  if (has_lowercase(normalizer)) return original;
  if (normalizer.is_null()) {
    normalizer = lowercase;
  } else if (normalizer.value("type", "") == "BertNormalizer") {
    normalizer = lower_cased_bert(normalizer);
  } else if (normalizer.value("type", "") == "Sequence") {
    normalizer["normalizers"].insert(normalizer["normalizers"].begin(), lowercase);
  } else {
    normalizer = {{"type", "Sequence"}, {"normalizers", {lowercase, normalizer}}};
  }
  return Tokenizer::from_json(tokenizer.dump(), "tokenizer.json with do_lower_case");
}

}  // namespace octavo
