#include "calibration/kept_samples.h"

#include <algorithm>
#include <vector>

namespace octavo {
namespace {

constexpr std::int64_t kBatchTokens = 4096;  // which float32 has the memory for, as in `octavo calibrate`
constexpr std::size_t kBatchSamples = 32;

std::vector<Tokens>& samples_of(TokenBatch& batch) { return batch.sequences; }
std::vector<Image>& samples_of(ImageBatch& batch) { return batch.images; }

std::int64_t rows_of(const Tokens& sequence, const ModelInfo&) { return std::ssize(sequence.ids); }
std::int64_t rows_of(const Image&, const ModelInfo& info) { return info.max_positions; }

template <typename Sample>
void append(std::vector<Sample>& to, const std::vector<Sample>& from) {
  const std::size_t room = KeptSamples::kMost - to.size();
  to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(std::min(room, from.size())));
}

/// Adds the first `count` samples in batches of bounded size.
template <typename Batch, typename Sample>
void add_answers(Comparison& comparison, const std::vector<Sample>& samples, std::size_t count, const Engine& reference,
                 Workspace& workspace) {
  Batch batch;
  std::int64_t rows = 0;
  const auto finish = [&] {
    if (samples_of(batch).empty()) return;
    comparison.add(reference, batch, workspace);
    samples_of(batch).clear();
    rows = 0;
  };
  for (std::size_t i = 0; i < std::min(count, samples.size()); ++i) {
    const std::int64_t more = rows_of(samples[i], reference.model().info());
    if (rows + more > kBatchTokens || samples_of(batch).size() == kBatchSamples) finish();
    samples_of(batch).push_back(samples[i]);
    rows += more;
  }
  finish();
}

}  // namespace

void KeptSamples::add(const TokenBatch& batch) { append(texts_.sequences, batch.sequences); }
void KeptSamples::add(const ImageBatch& batch) { append(images_.images, batch.images); }

Comparison KeptSamples::answers(const Engine& reference, std::size_t count, Workspace& workspace) const {
  Comparison result;
  add_answers<TokenBatch>(result, texts_.sequences, count, reference, workspace);
  add_answers<ImageBatch>(result, images_.images, count, reference, workspace);
  return result;
}

RaggedBatch KeptSamples::first(std::int64_t tokens, const ModelInfo& info) const {
  const RaggedBatch all = images_.images.empty() ? make_ragged(texts_, info) : make_ragged(images_, info);
  int count = 0;
  while (count < all.sequences() && all.start[count] < tokens) ++count;
  return sequences_of(all, 0, count);
}

}  // namespace octavo
