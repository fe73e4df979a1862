#include "data/open_model.h"

#include <filesystem>

namespace octavo::tools {
namespace {

Model told(Model model, const Log& log) {
  for (const std::string& warning : model.warnings()) log.warn(warning);
  return model;
}

}  // namespace

Model open_model(const std::string& path, const Log& log) { return told(Model::open(path), log); }

Model open_checkpoint(const std::string& directory, const CheckpointOptions& options, const Log& log) {
  return told(Model::from_checkpoint(directory, options), log);
}

std::uintmax_t weight_bytes(const std::string& checkpoint) {
  const std::filesystem::path whole = std::filesystem::path(checkpoint) / "model.safetensors";
  if (std::filesystem::exists(whole)) return std::filesystem::file_size(whole);
  for (const char* extension : {".safetensors", ".bin"}) {
    std::uintmax_t bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(checkpoint)) {
      if (entry.path().extension() == extension) bytes += entry.file_size();
    }
    if (bytes > 0) return bytes;
  }
  return 0;
}

}  // namespace octavo::tools
