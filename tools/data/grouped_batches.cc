// Sequences run in the order of their inputs, so that rows always belong to the first input that waits for some.
#include "data/grouped_batches.h"

#include <algorithm>
#include <utility>

namespace octavo::tools {

GroupedBatches::GroupedBatches(const BatchLimits& limits, Run run, Rows rows)
    : run_(std::move(run)),
      rows_(std::move(rows)),
      batcher_(limits, [this](const TokenBatch& batch) { this->run(batch); }) {}

void GroupedBatches::add(std::vector<Tokens> sequences, Answer answer) {
  pending_.push_back({.left = sequences.size(), .rows = {}, .answer = std::move(answer)});
  for (Tokens& sequence : sequences) batcher_.add(std::move(sequence));
}

void GroupedBatches::finish() { batcher_.finish(); }

void GroupedBatches::run(const TokenBatch& batch) {
  const Tensor result = run_(batch);
  const auto columns = static_cast<std::size_t>(result.columns());
  std::span<const float> rows = result.as<float>();
  for (const Tokens& sequence : batch.sequences) {
    const std::span<const float> own = rows.first(columns * rows_(sequence));
    rows = rows.subspan(own.size());
    Pending& first = pending_.front();
    first.rows.insert(first.rows.end(), own.begin(), own.end());
    if (--first.left == 0) answer_first(result.columns());
  }
}

void GroupedBatches::answer_first(std::int64_t columns) {
  const Pending first = std::move(pending_.front());
  pending_.pop_front();
  Tensor rows(DType::f32, {std::ssize(first.rows) / columns, columns});
  std::ranges::copy(first.rows, rows.writable<float>().begin());
  first.answer(rows);
}

}  // namespace octavo::tools
