// Ranges of calibration: what is kept of the batches seen.
#include "observers/observers.h"

#include "tests/support/support.h"

#include <cmath>
#include <limits>
#include <vector>

namespace octavo::test {
namespace {

using Batch = std::vector<std::vector<float>>;  ///< parts in which one value is seen

Range range_after(RangeMethod method, const std::vector<Batch>& batches) {
  RangeObserver observer(method);
  for (const Batch& batch : batches) {
    observer.begin_batch();
    for (const std::vector<float>& part : batch) observer.observe("x", part);
    observer.end_part();
  }
  return observer.ranges().at("x");
}

}  // namespace

TEST_CASE("min-max keeps the smallest and largest value of all batches, whatever their sizes and parts") {
  for (const std::size_t size : {1, 15, 16, 17, 100}) {
    std::vector<float> values(size, 0.5f);
    values.back() = -3.0f;
    values[size / 2] = size == 1 ? -3.0f : 7.0f;
    const Range range = range_after(RangeMethod::minmax, {{{1.0f}, values}, {{0.25f}, {0.0f, 2.0f}}});
    CHECK(range.low == -3.0f);
    CHECK(range.high == (size == 1 ? 2.0f : 7.0f));
  }
}

TEST_CASE("running min-max starts at the first batch and then moves a tenth of the way to each batch") {
  const Range range = range_after(RangeMethod::running_minmax, {{{-1.0f, 2.0f}}, {{-2.0f}, {12.0f}}, {{0.0f, 0.0f}}});
  CHECK(range.low == Approx(0.9 * (0.9 * -1.0 + 0.1 * -2.0)));
  CHECK(range.high == Approx(0.9 * (0.9 * 2.0 + 0.1 * 12.0)));
}

TEST_CASE("a value that was ever not finite has no finite range, under either method and wherever it stood") {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  for (const RangeMethod method : {RangeMethod::minmax, RangeMethod::running_minmax}) {
    for (const float bad : {kNan, kInfinity, -kInfinity}) {
      for (const std::size_t position : {0, 7, 31, 32}) {
        std::vector<float> values(33, 1.0f);
        values[position] = bad;
        for (const std::vector<Batch>& batches :
             {std::vector<Batch>{{values}}, {{{1.0f}}, {values}}, {{values}, {{1.0f}}}, {{{1.0f}, values, {2.0f}}}}) {
          CHECK(!std::isfinite(range_after(method, batches).low));
          CHECK(!std::isfinite(range_after(method, batches).high));
        }
      }
    }
  }
}

TEST_CASE("a batch of running min-max counts once, whether its parts are merged one by one or at its end") {
  RangeObserver parts(RangeMethod::running_minmax), whole(RangeMethod::running_minmax);
  for (const float x : {1.0f, -2.0f}) {
    parts.begin_batch();
    whole.begin_batch();
    for (const float factor : {1.0f, 3.0f, 2.0f}) {
      parts.observe("x", std::vector<float>{x * factor});
      parts.end_part();
      whole.observe("x", std::vector<float>{x * factor});
    }
    whole.end_part();
  }
  CHECK(parts.ranges().at("x").low == whole.ranges().at("x").low);
  CHECK(parts.ranges().at("x").high == whole.ranges().at("x").high);
}

TEST_CASE("values are told apart by name, and what a batch does not hold keeps its range") {
  RangeObserver observer(RangeMethod::running_minmax);
  observer.begin_batch();
  observer.observe("a", std::vector<float>{1.0f});
  observer.observe("b", std::vector<float>{2.0f});
  observer.end_part();
  observer.begin_batch();
  observer.observe("a", std::vector<float>{3.0f});
  observer.end_part();
  CHECK(observer.ranges().at("a").high == Approx(1.2));
  CHECK(observer.ranges().at("b").high == 2.0f);
}

}  // namespace octavo::test
