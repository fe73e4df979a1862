#include "commands/calibration/top_up.h"

#include <algorithm>

namespace octavo::tools {
namespace {

/// Chosen by the table of docs/results.md: below this excess samples alone come as close as with others beside them.
struct Sizes {
  double most_excess = 0.0;
  std::int64_t probe = 0, added = 0, held_out = 0;
};

/// A probe has no pages: behind sentences, however many, the values of a page are something new.
constexpr std::size_t kProbeBytes = 640;

constexpr Sizes kTexts = {.most_excess = 0.055, .probe = 64, .added = 128, .held_out = 64};
constexpr Sizes kPictures = {.most_excess = 0.05, .probe = 16, .added = 64, .held_out = 16};

void append(std::vector<Tokens>& to, const TokenBatch& batch) {
  to.insert(to.end(), batch.sequences.begin(), batch.sequences.end());
}
void append(std::vector<Image>& to, const ImageBatch& batch) {
  to.insert(to.end(), batch.images.begin(), batch.images.end());
}

}  // namespace

TopUp::TopUp(const Model& model, const std::optional<std::int64_t>& max_length) {
  const Sizes& sizes = model.info().image ? kPictures : kTexts;
  const std::vector<std::string> all = built_in_samples(model, max_length);
  const auto part = [&](std::int64_t first, std::int64_t count) {
    const std::int64_t end = std::min(first + count, std::ssize(all));
    return std::vector<std::string>(all.begin() + std::min(first, end), all.begin() + end);
  };
  most_excess_ = sizes.most_excess;
  for (const std::string& sample : all) {
    if (std::ssize(probe_) < sizes.probe && sample.size() <= kProbeBytes) probe_.push_back(sample);
  }
  added_ = part(0, sizes.added);
  held_out_ = part(sizes.added, sizes.held_out);
}

double TopUp::excess(const Calibrator& calibrator, SampleBatches& batches, Workspace& workspace) const {
  TokenBatch texts;
  ImageBatch pictures;
  struct Collect {
    TokenBatch& texts;
    ImageBatch& pictures;
    void operator()(const TokenBatch& batch) const { append(texts.sequences, batch); }
    void operator()(const ImageBatch& batch) const { append(pictures.images, batch); }
  };
  batches.for_each(probe_, "look at ranges", Collect{texts, pictures});
  return pictures.images.empty() ? calibrator.excess(texts, workspace) : calibrator.excess(pictures, workspace);
}

bool TopUp::is_needed(double excess) const { return excess > most_excess_; }

Samples TopUp::mixed(Samples samples) const {
  std::vector<std::string>& given = samples.calibration;
  if (!samples.calibration_labels.empty()) {
    given.insert(given.end(), added_.begin(), added_.end());
    return samples;
  }
  std::vector<std::string> both;
  for (std::size_t i = 0; i < std::max(given.size(), added_.size()); ++i) {
    if (i < given.size()) both.push_back(given[i]);
    if (i < added_.size()) both.push_back(added_[i]);
  }
  given = std::move(both);
  return samples;
}

}  // namespace octavo::tools
