// What small random checkpoints of all families have in common: tensors by name, and a directory they are written to.
#pragma once

#include "io/safetensors.h"
#include "tests/support/temporary_directory.h"

#include "octavo/model.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <utility>

namespace octavo::test {

/// config.json and tensors, to be changed by a test before they are written.
struct TinyCheckpoint {
  nlohmann::json config, preprocessor;  ///< the second is not written while it is null
  std::map<std::string, Tensor, std::less<>> tensors;

  /// Adds a tensor of normally distributed numbers, or replaces it.
  void add(const std::string& name, Tensor::Shape shape, float deviation, float mean = 0.0f) {
    Tensor tensor(DType::f32, std::move(shape));
    std::normal_distribution<float> normal(mean, deviation);
    for (float& x : tensor.writable<float>()) x = normal(random_);
    tensors[name] = tensor;
  }

  void write(const std::filesystem::path& directory) const {
    std::ofstream(directory / "config.json") << config.dump();
    if (!preprocessor.is_null()) std::ofstream(directory / "preprocessor_config.json") << preprocessor.dump();
    write_safetensors(directory / "model.safetensors", tensors, {{"format", "pt"}});
  }

  Model model(const CheckpointOptions& options = {}) const {
    const TemporaryDirectory directory;
    write(directory.path());
    return Model::from_checkpoint(directory.path(), options);
  }

 protected:
  explicit TinyCheckpoint(unsigned seed) : random_(seed) {}

  /// NAME.weight [columns, inputs], of a gain that does not depend on the inputs' number.
  void matrix(const std::string& name, std::int64_t columns, std::int64_t inputs, float gain) {
    add(name + ".weight", {columns, inputs}, gain / std::sqrt(static_cast<float>(inputs)));
  }
  void norm(const std::string& name, std::int64_t columns) {
    add(name + ".weight", {columns}, 0.2f, 1.0f);
    add(name + ".bias", {columns}, 0.2f);
  }

 private:
  std::mt19937 random_;
};

}  // namespace octavo::test
