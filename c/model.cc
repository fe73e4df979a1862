// Models, sessions, and what is to be known of them and of the machine.
#include "c/arguments.h"
#include "c/handles.h"

#include "octavo/system.h"
#include "octavo/tasks.h"
#include "octavo/version.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <memory>

using octavo::c::guarded;
using octavo::c::require;

namespace octavo::c {
namespace {

using nlohmann::ordered_json;

std::string dump(const ordered_json& object) {
  return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

/// What summary_json() has, less the nodes of the graph, and what callers ask of a model.
std::string describe(const Engine& engine) {
  const Model& model = engine.model();
  const ModelInfo& info = model.info();
  ordered_json object = ordered_json::parse(model.summary_json());
  object.erase("nodes");
  object["runs"] = engine.isa();
  object["quantized"] = model.is_quantized();
  object["input"] = info.image ? "images" : "texts";
  object["task"] = name_of(info.task);
  object["decoder"] = info.decoder.has_value();
  object["sparse"] = info.embedding.sparse.has_value();
  object["classes"] = info.classes;
  object["labels"] = model.labels();
  object["embedding_size"] = embedding_size(model);
  object["similarity"] = name_of(info.embedding.similarity);
  object["prompts"] = info.embedding.prompts;
  object["default_prompt_name"] = info.embedding.default_prompt_name;
  object["warnings"] = model.warnings();
  return dump(object);
}

std::string describe_machine() {
  ordered_json object = {{"version", OCTAVO_VERSION}, {"cpu", cpu_name()}, {"threads", default_threads()}};
  ordered_json& isas = object["isas"] = ordered_json::array();
  for (const IsaInfo& isa : isa_report())
    isas.push_back({{"name", isa.name}, {"available", isa.available}, {"reason", isa.reason}});
  return dump(object);
}

Engine open(const char* path, const octavo_model_options& options) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) throw NotFound(std::string(path) + ": no such file or directory");
  require_zero("reserved", options.reserved);
  const std::string isa(read_string("isa", options.isa).value_or(""));
  if (!isa.empty()) {
    std::string known;
    bool found = false;
    for (const std::string& each : available_isas()) {
      found = found || each == isa;
      known += (known.empty() ? "" : ", ") + each;
    }
    if (!found) throw InvalidArgument("isa is '" + isa + "', expected one of " + known);
  }
  return Engine(Model::open(path, {.mapped = read_flag("mapped", options.mapped)}), {.isa = isa});
}

}  // namespace
}  // namespace octavo::c

octavo_model::octavo_model(octavo::Engine of) : engine(std::move(of)) {
  for (const std::string& label : engine.model().labels()) labels.push_back(label.c_str());
}

const char* octavo_version() { return OCTAVO_VERSION; }

octavo_status octavo_cpu_info(const char** json) {
  return guarded([&] {
    static const std::string info = octavo::c::describe_machine();
    require(json, "json") = info.c_str();
  });
}

octavo_status octavo_model_open(const char* path, const octavo_model_options* options, octavo_model** model) {
  return guarded([&] {
    require(model, "model") = nullptr;
    *model = new octavo_model(octavo::c::open(&require(path, "path"), octavo::c::read_struct(options, "options")));
  });
}

octavo_model* octavo_model_retain(octavo_model* model) {
  if (model != nullptr) ++model->owners;
  return model;
}

void octavo_model_release(octavo_model* model) {
  if (model != nullptr && --model->owners == 0) delete model;
}

octavo_status octavo_model_info(octavo_model* model, const char** json) {
  return guarded([&] {
    octavo_model& described = require(model, "model");
    std::call_once(described.described, [&] { described.info = octavo::c::describe(described.engine); });
    require(json, "json") = described.info.c_str();
  });
}

octavo_status octavo_model_labels(octavo_model* model, const char* const** labels, size_t* count) {
  return guarded([&] {
    const octavo_model& labelled = require(model, "model");
    require(labels, "labels") = labelled.labels.data();
    require(count, "count") = labelled.labels.size();
  });
}

octavo_status octavo_session_create(octavo_model* model, const octavo_session_options* options,
                                    octavo_session** session) {
  return guarded([&] {
    require(session, "session") = nullptr;
    require(model, "model");
    const octavo_session_options read = octavo::c::read_struct(options, "options");
    octavo::c::require_zero("reserved", read.reserved);
    const int threads = octavo::c::read_number("threads", read.threads, 1, 1024).value_or(0);
    *session = new octavo_session(*model, threads);
  });
}

void octavo_session_free(octavo_session* session) { delete session; }
