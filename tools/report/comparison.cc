#include "report/comparison.h"

#include <algorithm>

namespace octavo::tools {
namespace {

constexpr std::int64_t kImageTokens = 197;  // of a picture of 224 x 224 in patches of 16: near enough for all

std::int64_t tokens_of(const Tokens& sequence) { return std::ssize(sequence.ids); }
std::int64_t tokens_of(const Image&) { return kImageTokens; }

template <typename Samples>
void keep_first(Samples& samples, std::int64_t tokens) {
  std::int64_t seen = 0;
  auto end = samples.begin();
  while (end != samples.end() && seen < tokens) seen += tokens_of(*end++);
  samples.erase(end, samples.end());
}
void keep_first(TokenBatch& batch, std::int64_t tokens) { keep_first(batch.sequences, tokens); }
void keep_first(ImageBatch& batch, std::int64_t tokens) { keep_first(batch.images, tokens); }

}  // namespace

Comparison::Comparison(const Engine& reference, SampleBatches& batches, const std::vector<std::string>& samples,
                       const std::string& label, Workspace& workspace)
    : workspace_(workspace) {
  batches.for_each(samples, label, [&](const auto& batch) {
    batches_.emplace_back(batch);
    expected_.push_back(answer(reference, batch, workspace));
  });
}

Closeness Comparison::closeness(const Engine& engine) const {
  Closeness result;
  for (std::size_t i = 0; i < batches_.size(); ++i) {
    const auto found = [&](const auto& batch) { return answer(engine, batch, workspace_); };
    result.add(std::visit(found, batches_[i]), expected_[i]);
  }
  return result;
}

std::variant<TokenBatch, ImageBatch> Comparison::first(std::int64_t tokens) const {
  std::variant<TokenBatch, ImageBatch> batch = batches_.at(0);
  std::visit([&](auto& samples) { keep_first(samples, tokens); }, batch);
  return batch;
}

}  // namespace octavo::tools
