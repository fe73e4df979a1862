// Which neurons get channel splits.
#include "quantize/channel_splits.h"

#include "tests/support/support.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace octavo::test {
namespace {

int added(const ChannelSplits& channel_splits) {
  return std::accumulate(channel_splits.count.begin(), channel_splits.count.end(), 0) -
         static_cast<int>(channel_splits.count.size());
}

}  // namespace

TEST_CASE(
    "channel splits cover every neuron's largest output, within the budget, and a finer common range would not fit "
    "it") {
  std::vector<float> highest(200, 2.0f);
  for (std::size_t i = 0; i < 20; ++i) highest[i * 7] = 3.0f + static_cast<float>(i);
  for (const int budget : {1, 8, 32, 64}) {
    const ChannelSplits channel_splits = choose_channel_splits(highest, {-0.17f, 22.0f}, budget);
    INFO("budget " << budget);
    if (channel_splits.count.empty()) {
      CHECK(budget == 1);  // the next largest outputs are too near
      continue;
    }
    const double low = static_cast<double>(channel_splits.common.low),
                 width = static_cast<double>(channel_splits.common.high) - low;
    CHECK(added(channel_splits) <= budget);
    int needed = 0;
    for (std::size_t i = 0; i < highest.size(); ++i) {
      CHECK(low + width * channel_splits.count[i] > static_cast<double>(highest[i]) * (1.0 - 1e-6));
      needed += std::max(0, static_cast<int>(std::ceil((static_cast<double>(highest[i]) - low) / (0.98 * width))) - 1);
    }
    CHECK(needed > budget);
  }
}

TEST_CASE("a value whose neurons are alike, or that has no budget, gets no channel splits and keeps its range") {
  for (const int budget : {0, 32}) {
    const ChannelSplits channel_splits = choose_channel_splits(std::vector<float>(200, 2.0f), {-0.17f, 2.0f}, budget);
    CHECK(channel_splits.count.empty());
    CHECK(channel_splits.common.high == 2.0f);
  }
  CHECK(choose_channel_splits(std::vector<float>(3, 0.0f), {0.0f, 0.0f}, 32).count.empty());
}

TEST_CASE("neurons may be expected to reach further than they were seen to, the more so the less samples agree") {
  const auto margin = [](float first, float second) {
    ThreadPool pool(1);
    ColumnObserver observer({});
    constexpr std::int32_t kStart[] = {0, 1, 2};
    observer.begin({.start = kStart});
    observer.observe(pool, "x", std::vector<float>{first, 4.0f, second, 4.0f}, 2);  // a row each
    return expected_highest(observer.statistics().at("x"))[1] / 4.0f;
  };
  CHECK(margin(2.0f, 2.0f) == 1.0f);
  CHECK(margin(1.0f, 2.0f) == Approx(1.25f));  // half of the rows miss 0.5 of 2 + 4
  CHECK(margin(2.0f, 1.0f) == margin(1.0f, 2.0f));
  CHECK(margin(0.5f, 2.0f) > margin(1.0f, 2.0f));
}

TEST_CASE("no neuron gets more than 32 columns, however far it reaches") {
  std::vector<float> highest(2000, 0.01f);
  highest[5] = 1e6f;
  const ChannelSplits channel_splits = choose_channel_splits(highest, {0.0f, 1e6f}, 4096);
  REQUIRE(!channel_splits.count.empty());
  CHECK(*std::max_element(channel_splits.count.begin(), channel_splits.count.end()) == 32);
}

}  // namespace octavo::test
