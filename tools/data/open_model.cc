#include "data/open_model.h"

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

}  // namespace octavo::tools
