#include "calibration/kept_samples.h"

#include <algorithm>
#include <vector>

namespace octavo {
namespace {

constexpr std::int64_t kBatchTokens = 4096;  // which float32 has the memory for, as in `octavo calibrate`
constexpr std::size_t kBatchSamples = 32;

std::vector<Tokens>& samples_of(TokenBatch& batch) { return batch.sequences; }
std::vector<Image>& samples_of(ImageBatch& batch) { return batch.images; }
const std::vector<Tokens>& samples_of(const TokenBatch& batch) { return batch.sequences; }
const std::vector<Image>& samples_of(const ImageBatch& batch) { return batch.images; }

std::vector<SampleLabel> one_each(std::span<const SampleLabel> labels, std::size_t count) {
  std::vector<SampleLabel> result(labels.begin(), labels.end());
  result.resize(count);
  return result;
}

std::int64_t rows_of(const Tokens& sequence, const ModelInfo&) { return std::ssize(sequence.ids); }
std::int64_t rows_of(const Image&, const ModelInfo& info) { return info.max_positions; }

template <typename Sample>
void append(std::vector<Sample>& to, const std::vector<Sample>& from, std::size_t most) {
  const std::size_t room = most - to.size();
  to.insert(to.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(std::min(room, from.size())));
}

/// Calls `visit(batch)` with the first `count` samples in batches of bounded size.
template <typename Batch, typename Sample, typename Visit>
void for_batches(const std::vector<Sample>& samples, std::size_t count, const ModelInfo& info, const Visit& visit) {
  Batch batch;
  std::int64_t rows = 0;
  const auto finish = [&] {
    if (samples_of(batch).empty()) return;
    visit(batch);
    samples_of(batch).clear();
    rows = 0;
  };
  for (std::size_t i = 0; i < std::min(count, samples.size()); ++i) {
    const std::int64_t more = rows_of(samples[i], info);
    if (rows + more > kBatchTokens || samples_of(batch).size() == kBatchSamples) finish();
    samples_of(batch).push_back(samples[i]);
    rows += more;
  }
  finish();
}

}  // namespace

void KeptSamples::add(const TokenBatch& batch, std::span<const SampleLabel> labels) {
  append(texts_.sequences, batch.sequences, most_);
  append(labels_, one_each(labels, batch.sequences.size()), most_);
}

void KeptSamples::add(const ImageBatch& batch, std::span<const SampleLabel> labels) {
  append(images_.images, batch.images, most_);
  append(labels_, one_each(labels, batch.images.size()), most_);
}

Comparison KeptSamples::answers(const Engine& reference, std::size_t count, Workspace& workspace) const {
  Comparison result;
  const auto add = [&](const auto& batch) { result.add(reference, batch, workspace); };
  for_batches<TokenBatch>(texts_.sequences, count, reference.model().info(), add);
  for_batches<ImageBatch>(images_.images, count, reference.model().info(), add);
  return result;
}

TaskComparison KeptSamples::task_answers(const Engine& reference, Workspace& workspace) const {
  TaskComparison result;
  std::span<const SampleLabel> rest = labels_;
  const auto add = [&](const auto& batch) {
    const std::size_t count = samples_of(batch).size();
    result.add(reference, batch, workspace, rest.first(count));
    rest = rest.subspan(count);
  };
  for_batches<TokenBatch>(texts_.sequences, most_, reference.model().info(), add);
  for_batches<ImageBatch>(images_.images, most_, reference.model().info(), add);
  return result;
}

RaggedBatch KeptSamples::first(std::int64_t tokens, const ModelInfo& info) const {
  const RaggedBatch all = images_.images.empty() ? make_ragged(texts_, info) : make_ragged(images_, info);
  int count = 0;
  while (count < all.sequences() && all.start[count] < tokens) ++count;
  return sequences_of(all, 0, count);
}

}  // namespace octavo
