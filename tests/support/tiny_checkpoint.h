// What small random checkpoints of all families have in common: tensors by name, and a directory they are written to.
#pragma once

#include "octavo/model.h"
#include "octavo/tensor.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <filesystem>
#include <map>
#include <random>
#include <string>

namespace octavo::test {

/// config.json and tensors, to be changed by a test before they are written.
struct TinyCheckpoint {
  nlohmann::json config, preprocessor;  ///< the second is not written while it is null
  std::map<std::string, Tensor, std::less<>> tensors;

  /// Adds a tensor of normally distributed numbers, or replaces it.
  void add(const std::string& name, Tensor::Shape shape, float deviation, float mean = 0.0f);

  void write(const std::filesystem::path& directory) const;
  Model model(const CheckpointOptions& options = {}) const;

 protected:
  explicit TinyCheckpoint(unsigned seed);

  /// NAME.weight [columns, inputs], of a gain that does not depend on the inputs' number.
  void matrix(const std::string& name, std::int64_t columns, std::int64_t inputs, float gain);
  void norm(const std::string& name, std::int64_t columns);

 private:
  std::mt19937 random_;
};

}  // namespace octavo::test
