// Tiny models with heads, and what transformers and sentence-transformers say of a few texts.
#pragma once

#include "io/safetensors.h"
#include "tests/support/support.h"

#include "octavo/model.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

namespace octavo::test {

/// text_tasks.safetensors: models, and what was asked of them and answered.
class GoldenTasks {
 public:
  GoldenTasks();

  /// The model of a case, with some keys of config.json replaced.
  Model model(const std::string& name, const nlohmann::json& patch = nlohmann::json::object()) const;

  /// Its checkpoint.
  void write(const std::string& name, const std::filesystem::path& directory,
             const nlohmann::json& patch = nlohmann::json::object()) const;

  /// Calls `check` with what was asked of a case for a task: inputs, arguments and answers.
  using Check =
      std::function<void(const nlohmann::json& inputs, const nlohmann::json& arguments, const nlohmann::json& answers)>;
  void for_each_question(const std::string& name, const std::string& task, const Check& check) const;

 private:
  SafetensorsFile file_;
  std::map<std::string, nlohmann::json> cases_;
};

}  // namespace octavo::test
