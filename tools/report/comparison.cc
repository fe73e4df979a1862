#include "report/comparison.h"

#include <algorithm>

namespace octavo::tools {
namespace {

constexpr std::int64_t kImageTokens = 197;  // of a picture of 224 x 224 in patches of 16: near enough for all

std::int64_t tokens_of(const Tokens& sequence) { return std::ssize(sequence.ids); }
std::int64_t tokens_of(const Image&) { return kImageTokens; }

/// Copies samples until there are `tokens` of them, counting on from `seen`.
template <typename Samples>
void append(Samples& to, const Samples& from, std::int64_t tokens, std::int64_t& seen) {
  for (auto next = from.begin(); next != from.end() && seen < tokens; ++next) {
    seen += tokens_of(*next);
    to.push_back(*next);
  }
}
void append(TokenBatch& to, const TokenBatch& from, std::int64_t tokens, std::int64_t& seen) {
  append(to.sequences, from.sequences, tokens, seen);
}
void append(ImageBatch& to, const ImageBatch& from, std::int64_t tokens, std::int64_t& seen) {
  append(to.images, from.images, tokens, seen);
}

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
  return std::visit(
      [&]<typename Batch>(const Batch&) -> std::variant<TokenBatch, ImageBatch> {
        Batch result;
        std::int64_t seen = 0;
        for (const auto& batch : batches_) append(result, std::get<Batch>(batch), tokens, seen);
        return result;
      },
      batches_.at(0));
}

}  // namespace octavo::tools
