// Reads the tiny models with heads.
#include "tests/support/golden_tasks.h"

#include "io/safetensors.h"
#include "tests/support/temporary_directory.h"

namespace octavo::test {

GoldenTasks::GoldenTasks() : file_(read_safetensors(source_dir() / "tests/golden/text_tasks.safetensors")) {
  for (const nlohmann::json& each : nlohmann::json::parse(file_.metadata.at("cases"))) cases_[each.at("name")] = each;
}

Model GoldenTasks::model(const std::string& name, const nlohmann::json& patch) const {
  const TemporaryDirectory directory;
  write(name, directory.path(), patch);
  return Model::from_checkpoint(directory.path());
}

void GoldenTasks::write(const std::string& name, const std::filesystem::path& directory,
                        const nlohmann::json& patch) const {
  const nlohmann::json files = nlohmann::json::parse(file_.metadata.at("files"));
  for (const auto& [file, text] : files.items()) write_bytes(directory / file, text.get<std::string>());
  nlohmann::json config = cases_.at(name).at("config");
  config.merge_patch(patch);
  write_bytes(directory / "config.json", config.dump());
  std::map<std::string, Tensor, std::less<>> tensors;
  for (const auto& [key, tensor] : file_.tensors) {
    if (key.starts_with(name + "/")) tensors[key.substr(name.size() + 1)] = tensor;
  }
  write_safetensors(directory / "model.safetensors", tensors, {});
}

void GoldenTasks::for_each_question(const std::string& name, const std::string& task, const Check& check) const {
  int questions = 0;
  for (const nlohmann::json& question : cases_.at(name).at("questions")) {
    if (question.at("task") != task) continue;
    INFO(name + ": " + task + " " + question.at("arguments").dump());
    check(question.at("inputs"), question.at("arguments"), question.at("answers"));
    ++questions;
  }
  REQUIRE(questions > 0);
}

}  // namespace octavo::test
