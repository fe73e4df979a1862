// Sequences in batches of bounded size.
#include "tests/support/support.h"

#include "octavo/batch.h"

#include <cstdint>
#include <vector>

namespace octavo::test {
namespace {

/// The sizes of the batches that sequences of these lengths fall into; ids count up over all of them.
std::vector<std::vector<std::size_t>> batch_lengths(const BatchLimits& limits, const std::vector<int>& lengths) {
  std::vector<std::vector<std::size_t>> batches;
  int next = 0;
  Batcher batcher(limits, [&](const TokenBatch& batch) {
    batches.emplace_back();
    for (const Tokens& tokens : batch.sequences) {
      CHECK(tokens.ids.at(0) == next++);
      batches.back().push_back(tokens.ids.size());
    }
  });
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    batcher.add({.ids = std::vector<std::int32_t>(static_cast<std::size_t>(lengths[i]), static_cast<int>(i))});
  }
  batcher.finish();
  batcher.finish();
  return batches;
}

}  // namespace

TEST_CASE("batches keep the order of the inputs and both limits") {
  using Batches = std::vector<std::vector<std::size_t>>;
  CHECK(batch_lengths({.sequences = 2, .tokens = 100}, {3, 4, 5}) == Batches{{3, 4}, {5}});
  CHECK(batch_lengths({.sequences = 9, .tokens = 10}, {6, 4, 1, 9}) == Batches{{6, 4}, {1, 9}});
  CHECK(batch_lengths({.sequences = 9, .tokens = 10}, {6, 5, 30, 1}) == Batches{{6}, {5}, {30}, {1}});
  CHECK(batch_lengths({.sequences = 1, .tokens = 1}, {2, 2}) == Batches{{2}, {2}});
  CHECK(batch_lengths({}, {}).empty());
}

}  // namespace octavo::test
