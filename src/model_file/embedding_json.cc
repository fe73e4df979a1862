#include "model_file/embedding_json.h"

#include "octavo/error.h"

namespace octavo {
namespace {

using nlohmann::json;

json to_json(const DenseModule& dense) {
  return {{"type", "Dense"},
          {"name", dense.name},
          {"in_features", dense.in_features},
          {"out_features", dense.out_features},
          {"bias", dense.has_bias},
          {"activation_function", name_in(kDenseActivations, dense.activation)},
          {"use_residual", dense.use_residual}};
}
json to_json(const LayerNormModule& norm) {
  return {{"type", "LayerNorm"}, {"name", norm.name}, {"dimension", norm.dimension}};
}
json to_json(const NormalizeModule& normalize) { return {{"type", "Normalize"}, {"name", normalize.name}}; }

int width(const JsonObject& object, std::string_view key) {
  return static_cast<int>(object.integer(key, 1, kWidestEmbedding));
}

EmbeddingModule module_from_json(const JsonObject& module) {
  const std::string type = module.text("type"), name = module.text("name");
  if (type == "Normalize") return NormalizeModule{.name = name};
  if (type == "LayerNorm") return LayerNormModule{.name = name, .dimension = width(module, "dimension")};
  if (type != "Dense") module.fail("type", "Dense, LayerNorm or Normalize");
  return DenseModule{.name = name,
                     .in_features = width(module, "in_features"),
                     .out_features = width(module, "out_features"),
                     .has_bias = module.flag("bias"),
                     .activation = read_name(module, "activation_function", kDenseActivations),
                     .use_residual = module.flag("use_residual")};
}

std::vector<Pooling> pooling_from_json(const JsonObject& info) {
  std::vector<Pooling> result;
  if (info.is_text("pooling")) return {read_name(info, "pooling", kPoolings)};
  for (const std::string& name : info.texts("pooling")) {
    result.push_back(read_name(JsonObject({{"pooling", name}}, "info"), "pooling", kPoolings));
  }
  if (result.empty() || result.size() > kMostPoolings)
    info.fail("pooling", "1 to " + std::to_string(kMostPoolings) + " names");
  return result;
}

}  // namespace

void add_embedding(const EmbeddingInfo& embedding, json& info) {
  if (embedding.pooling.size() == 1) {
    info["pooling"] = name_of(embedding.pooling[0]);
  } else {
    info["pooling"] = json::array();
    for (const Pooling pooling : embedding.pooling) info["pooling"].push_back(name_of(pooling));
  }
  if (!embedding.output.empty()) info["embedding_output"] = embedding.output;
  if (!embedding.include_prompt) info["include_prompt"] = false;
  if (embedding.truncate_dim) info["truncate_dim"] = *embedding.truncate_dim;
  if (!embedding.normalize) info["normalize"] = false;
  if (embedding.similarity != Similarity::cosine) info["similarity_fn_name"] = name_of(embedding.similarity);
  if (embedding.sparse) {
    info["sparse"] = {{"pooling_strategy", name_in(kSparsePoolings, embedding.sparse->pooling_strategy)},
                      {"activation_function", name_in(kSparseActivations, embedding.sparse->activation_function)}};
  }
  if (!embedding.prompts.empty()) info["prompts"] = embedding.prompts;
  if (!embedding.default_prompt_name.empty()) info["default_prompt_name"] = embedding.default_prompt_name;
}

EmbeddingInfo embedding_from_json(const JsonObject& info) {
  EmbeddingInfo result{.pooling = pooling_from_json(info)};
  result.output = info.text_or("embedding_output", "");
  result.include_prompt = info.flag_or("include_prompt", true);
  if (info.has("truncate_dim")) result.truncate_dim = width(info, "truncate_dim");
  result.normalize = info.flag_or("normalize", true);
  if (info.has("similarity_fn_name")) result.similarity = read_name(info, "similarity_fn_name", kSimilarities);
  if (info.has("sparse")) {
    const JsonObject sparse = info.section("sparse");
    result.sparse = {.pooling_strategy = read_name(sparse, "pooling_strategy", kSparsePoolings),
                     .activation_function = read_name(sparse, "activation_function", kSparseActivations)};
  }
  const JsonObject prompts = info.section("prompts");
  for (const std::string& name : prompts.keys()) result.prompts[name] = prompts.text(name);
  result.default_prompt_name = info.text_or("default_prompt_name", "");
  if (!result.default_prompt_name.empty() && !result.prompts.contains(result.default_prompt_name))
    info.fail("default_prompt_name", "a name in prompts");
  return result;
}

json modules_to_json(const std::vector<EmbeddingModule>& modules) {
  json result = json::array();
  for (const EmbeddingModule& module : modules)
    result.push_back(std::visit([](const auto& m) { return to_json(m); }, module));
  return result;
}

std::vector<EmbeddingModule> modules_from_json(const JsonObject& object) {
  std::vector<EmbeddingModule> result;
  for (const JsonObject& module : object.list("modules")) result.push_back(module_from_json(module));
  return result;
}

}  // namespace octavo
