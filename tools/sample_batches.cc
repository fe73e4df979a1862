#include "sample_batches.h"

#include "picture_files.h"

#include <filesystem>

namespace octavo::tools {
namespace {

std::vector<std::string> pictures_of(const std::string& data) {
  if (std::filesystem::is_directory(data)) return expand_folders({data});
  LineReader reader(data);
  std::vector<std::string> names;
  while (std::optional<std::string> line = reader.next()) {
    if (!line->empty()) names.push_back(*std::move(line));
  }
  return expand_folders(names);
}

}  // namespace

Samples choose(const std::string& data, const SampleOptions& options, const Model& model) {
  if (model.info().image) return choose_samples(pictures_of(data), options, data);
  LineReader reader(data);
  return choose_samples(reader, options);
}

Tensor answer(const Engine& engine, const TokenBatch& batch, Workspace& workspace) { return embed(engine, batch, workspace); }

Tensor answer(const Engine& engine, const ImageBatch& batch, Workspace& workspace) {
  return engine.model().info().classes > 0 ? engine.logits(batch, workspace) : embed(engine, batch, workspace);
}

SampleBatches::SampleBatches(const Model& model, const std::optional<std::int64_t>& max_length, const BatchLimits& limits, int threads,
                             const Log& log)
    : info_(model.info()), limits_(limits), threads_(threads), log_(log) {
  if (!info_.image) encoder_.emplace(model, max_length);
}

void SampleBatches::report(const std::vector<LoadedPicture>& pictures) const {
  for (const LoadedPicture& picture : pictures) {
    if (!picture.error.empty()) log_.warn(picture.error + "; it is left out");
  }
}

void SampleBatches::finish() const {
  if (encoder_) encoder_->report_truncated(log_);
}

}  // namespace octavo::tools
