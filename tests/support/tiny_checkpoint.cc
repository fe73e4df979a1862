// Writes small random checkpoints.
#include "tests/support/tiny_checkpoint.h"

#include "io/safetensors.h"
#include "tests/support/temporary_directory.h"

#include <cmath>
#include <fstream>
#include <utility>

namespace octavo::test {

TinyCheckpoint::TinyCheckpoint(unsigned seed) : random_(seed) {}

void TinyCheckpoint::add(const std::string& name, Tensor::Shape shape, float deviation, float mean) {
  Tensor tensor(DType::f32, std::move(shape));
  std::normal_distribution<float> normal(mean, deviation);
  for (float& x : tensor.writable<float>()) x = normal(random_);
  tensors[name] = tensor;
}

void TinyCheckpoint::matrix(const std::string& name, std::int64_t columns, std::int64_t inputs, float gain) {
  add(name + ".weight", {columns, inputs}, gain / std::sqrt(static_cast<float>(inputs)));
}

void TinyCheckpoint::norm(const std::string& name, std::int64_t columns) {
  add(name + ".weight", {columns}, 0.2f, 1.0f);
  add(name + ".bias", {columns}, 0.2f);
}

void TinyCheckpoint::write(const std::filesystem::path& directory) const {
  std::ofstream(directory / "config.json") << config.dump();
  if (!preprocessor.is_null()) std::ofstream(directory / "preprocessor_config.json") << preprocessor.dump();
  write_safetensors(directory / "model.safetensors", tensors, {{"format", "pt"}});
}

Model TinyCheckpoint::model(const CheckpointOptions& options) const {
  const TemporaryDirectory directory;
  write(directory.path());
  return Model::from_checkpoint(directory.path(), options);
}

}  // namespace octavo::test
