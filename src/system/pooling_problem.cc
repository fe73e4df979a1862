// Problems of kernels/pooling.h: windows that lie outside in part, and scores far apart.
#include "system/problem.h"

#include <algorithm>

namespace octavo::problems {
namespace {

using namespace kernels;

/// A window that has something of a grid of these edges.
struct Window {
  int left, top, edge;
};
Window random_window(int width, int height, Random& random) {
  const int edge = random.integer(1, 9);
  return {random.integer(1 - edge, width - 1), random.integer(1 - edge, height - 1), edge};
}

Problem copy_window(Random& random) {
  Problem problem;
  const int width = random.integer(1, 12), height = random.integer(1, 12), channels = random.one_of({1, 3, 24, 64, 70});
  const std::ptrdiff_t stride = std::ptrdiff_t{width} * channels + random.integer(0, 9);
  const std::size_t size = elements(height - 1, stride) + elements(width, channels);
  const Window window = random_window(width, height, random);
  const CopyWindow copy = {
      .picture = problem.filled<std::uint8_t>(size, 0, 255, random).data(),
      .width = width,
      .height = height,
      .channels = channels,
      .stride = stride,
      .left = window.left,
      .top = window.top,
      .edge = window.edge,
      .outside = problem.filled<std::uint8_t>(static_cast<std::size_t>(channels), 0, 255, random).data(),
      .out = problem.byte_output(20, channels * window.edge * window.edge, random),
      .row = random.integer(0, 19)};
  problem.call = [copy](const KernelTable& table) { table.copy_window(copy); };
  return problem;
}

Problem largest_of_window(Random& random) {
  Problem problem;
  const int width = random.integer(1, 12), height = random.integer(1, 12), columns = random.one_of({1, 3, 64, 65});
  const std::ptrdiff_t stride = columns + random.integer(0, 9);
  const std::size_t size = elements(width * height - 1, stride) + static_cast<std::size_t>(columns);
  const Window window = random_window(width, height, random);
  const bool bytes = random.one_in(2);
  const LargestOfWindow largest = {
      .in = problem.filled<std::int16_t>(size, -32768, random.one_of({300, 32767}), random).data(),
      .width = width,
      .height = height,
      .columns = columns,
      .stride = stride,
      .left = window.left,
      .top = window.top,
      .edge = window.edge,
      .out = bytes ? nullptr : problem.row_output<std::int16_t>(1, columns, 1, -100, 100, random),
      .u8 = bytes ? problem.row_output<std::uint8_t>(1, columns, 1, 0, 100, random) : nullptr};
  problem.call = [largest](const KernelTable& table) { table.largest_of_window(largest); };
  return problem;
}

Problem weighted_mean(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 70), columns = random.one_of({1, 24, 65, 130}), apart = random.integer(1, 40);
  const std::ptrdiff_t stride = columns + random.integer(0, 9);
  const std::int64_t most = random.one_of({50, 32767});
  const std::size_t size = elements(rows - 1, stride) + static_cast<std::size_t>(columns);
  const WeightedMean mean = {
      .rows = rows,
      .columns = columns,
      .in = problem.filled<std::int16_t>(size, -32768, 32767, random).data(),
      .stride = stride,
      .score = problem.filled<std::int16_t>(elements(rows - 1, apart) + 1, -most - 1, most, random).data(),
      .score_stride = apart,
      .score_multiplier = static_cast<std::uint16_t>(random.integer(32768, 65535)),
      .score_shift = random.integer(-8, 23),
      .sums = problem.array<std::int64_t>(static_cast<std::size_t>(columns)).data(),
      .out = problem.row_output<std::int16_t>(1, columns, 1, -100, 100, random)};
  problem.call = [mean](const KernelTable& table) { table.weighted_mean(mean); };
  return problem;
}

}  // namespace

std::span<const Kernel> pooling_kernels() {
  static constexpr Kernel kKernels[] = {{"copy_window", 50, copy_window},
                                        {"largest_of_window", 50, largest_of_window},
                                        {"weighted_mean", 50, weighted_mean}};
  return kKernels;
}

}  // namespace octavo::problems
