// Windows of pictures, their largest values, means by scores and attention by distance: kernels against formulas.
#include "tests/kernels/attention_support.h"

namespace octavo::test {
namespace {

/// A row of tile order.
struct Row {
  explicit Row(int columns) : columns(columns), data(static_cast<std::size_t>(16 * round_up(columns, 64)), 0xA5) {}
  ByteMatrix matrix() {
    return {.data = data.data(),
            .tile_stride = std::ptrdiff_t{16} * round_up(columns, 64),
            .row_stride = 64,
            .chunk_stride = 1024};
  }
  int at(int row, int column) const {
    return data[static_cast<std::size_t>(row * 64 + column / 64 * 1024 + column % 64)];
  }
  int columns;
  std::vector<std::uint8_t> data;
};

template <typename T>
std::vector<T> random_values(std::size_t count, int low, int high, Random& random) {
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(random.integer(low, high));
  return values;
}

}  // namespace

TEST_CASE("a window has all channels of each place, and outside the picture what stands for it", "[kernels]") {
  Random random(51);
  constexpr int kWidth = 5, kHeight = 4, kChannels = 24, kEdge = 3, kStride = kWidth * kChannels + 7;
  const auto picture = random_values<std::uint8_t>(kHeight * kStride, 0, 255, random),
             outside = random_values<std::uint8_t>(kChannels, 0, 255, random);
  for (const auto& [left, top] : {std::pair{-1, -1}, {0, 0}, {3, 2}, {4, 3}, {-2, 1}}) {
    Row out(kChannels * kEdge * kEdge);
    scalar_table().copy_window({.picture = picture.data(),
                                .width = kWidth,
                                .height = kHeight,
                                .channels = kChannels,
                                .stride = kStride,
                                .left = left,
                                .top = top,
                                .edge = kEdge,
                                .outside = outside.data(),
                                .out = out.matrix(),
                                .row = 3});
    for (int i = 0; i < kEdge * kEdge * kChannels; ++i) {
      const int x = left + i / kChannels % kEdge, y = top + i / kChannels / kEdge, channel = i % kChannels;
      const bool inside = x >= 0 && x < kWidth && y >= 0 && y < kHeight;
      const std::size_t place = static_cast<std::size_t>(inside ? y * kStride + x * kChannels + channel : channel);
      REQUIRE(out.at(3, i) == (inside ? picture[place] : outside[place]));
    }
    REQUIRE(out.at(2, 0) == 0xA5);
  }
}

TEST_CASE("the largest value of a window is at least 0, of what lies inside alone, and at most 255 as a byte",
          "[kernels]") {
  Random random(52);
  constexpr int kWidth = 6, kHeight = 3, kColumns = 5, kStride = 9;
  const auto in = random_values<std::int16_t>(kWidth * kHeight * kStride, -400, 300, random);
  for (const auto& [left, top] : {std::pair{-1, -1}, {1, 0}, {5, 2}, {-2, -2}}) {
    std::vector<std::int16_t> out(kColumns);
    std::vector<std::uint8_t> bytes(kColumns);
    LargestOfWindow largest = {.in = in.data(),
                               .width = kWidth,
                               .height = kHeight,
                               .columns = kColumns,
                               .stride = kStride,
                               .left = left,
                               .top = top,
                               .edge = 3,
                               .out = out.data(),
                               .u8 = nullptr};
    scalar_table().largest_of_window(largest);
    largest.out = nullptr;
    largest.u8 = bytes.data();
    scalar_table().largest_of_window(largest);
    for (int j = 0; j < kColumns; ++j) {
      int expected = 0;
      for (int y = std::max(top, 0); y < std::min(top + 3, kHeight); ++y) {
        for (int x = std::max(left, 0); x < std::min(left + 3, kWidth); ++x)
          expected = std::max<int>(expected, in[static_cast<std::size_t>((y * kWidth + x) * kStride + j)]);
      }
      REQUIRE(out[static_cast<std::size_t>(j)] == expected);
      REQUIRE(bytes[static_cast<std::size_t>(j)] == std::min(expected, 255));
    }
  }
}

TEST_CASE("a mean by scores is that by their softmax, up to its 16 bits, whatever all scores have in common",
          "[kernels]") {
  Random random(53);
  constexpr int kRows = 65, kColumns = 7;
  const auto in = random_values<std::int16_t>(kRows * kColumns, -32768, 32767, random);
  for (const double step : {1e-4, 3e-3, 0.2}) {
    const auto scores = random_values<std::int16_t>(kRows, -1000, 1000, random);
    AttentionConstants constants = {};
    set_score_scale(constants, step);
    std::vector<std::int64_t> sums(kColumns);
    std::vector<std::int16_t> out(kColumns), shifted(kColumns);
    WeightedMean mean = {.rows = kRows,
                         .columns = kColumns,
                         .in = in.data(),
                         .stride = kColumns,
                         .score = scores.data(),
                         .score_stride = 1,
                         .score_multiplier = constants.score_multiplier,
                         .score_shift = constants.score_shift,
                         .sums = sums.data(),
                         .out = out.data()};
    scalar_table().weighted_mean(mean);
    for (int j = 0; j < kColumns; ++j) {
      double sum = 0, weights = 0;
      for (int i = 0; i < kRows; ++i) {
        const double weight = std::exp(score_scale(constants) * scores[static_cast<std::size_t>(i)]);
        weights += weight;
        sum += weight * in[static_cast<std::size_t>(i * kColumns + j)];
      }
      REQUIRE(out[static_cast<std::size_t>(j)] == Approx(sum / weights).margin(30));
    }
    std::vector<std::int16_t> higher = scores;
    for (std::int16_t& score : higher) score = static_cast<std::int16_t>(score + 20000);
    mean.score = higher.data();
    mean.out = shifted.data();
    scalar_table().weighted_mean(mean);
    REQUIRE(shifted == out);
  }
  const std::int16_t equal[3] = {-7, -7, -7}, values[3] = {-3, -4, -4};  // -11 / 3 is nearer to -4
  std::int64_t sum = 0;
  std::int16_t rounded = 0;
  scalar_table().weighted_mean({.rows = 3,
                                .columns = 1,
                                .in = values,
                                .stride = 1,
                                .score = equal,
                                .score_stride = 1,
                                .score_multiplier = 40000,
                                .score_shift = 0,
                                .sums = &sum,
                                .out = &rounded});
  REQUIRE(rounded == -4);
}

TEST_CASE("attention by distance multiplies probabilities by factors of either sign, and divides by their sum",
          "[kernels]") {
  for (const bool causal : {false, true}) {
    constexpr int kLength = 6, kSize = 4, kPast = 2;
    AttentionConstants constants = layer(0.02, 2.0);
    constants.causal = causal;
    AttentionProblem problem({.length = kLength, .head_size = kSize}, constants);
    Random random(54);
    problem.constants.query_zero_point = 100;
    for (int i = 0; i < kLength * kSize; ++i) {
      problem.query(i / kSize, i % kSize) = static_cast<std::uint8_t>(random.integer(90, 110));
      problem.key(i / kSize, i % kSize) = static_cast<std::int8_t>(random.integer(-20, 20));
      problem.value(i / kSize, i % kSize) = static_cast<std::int8_t>(random.integer(-30, 30));
    }
    const auto factors = random_values<std::int16_t>(2 * kLength - 1, -32767, 32767, random);
    const std::int16_t* zero = factors.data() + kLength - 1;
    const auto expect = [&](int query, int d) {
      double sum = 0, probabilities = 0;
      for (int key = 0; key < (causal ? query + 1 : kLength); ++key) {
        int score = 0;
        for (int i = 0; i < kSize; ++i) score += (problem.query(query, i) - 100) * problem.key(key, i);
        const double e = std::exp(score * score_scale(problem.constants));
        probabilities += e;
        sum += e * factors[static_cast<std::size_t>(key - query + kLength - 1)] / 32768 * problem.value(key, d);
      }
      return std::clamp(128 + 2.0 * sum / probabilities, 0.0, 255.0);
    };
    problem.call = [&](const KernelTable& table) { table.attention_by_distance(problem.args, {.factor = zero}); };
    problem.run(scalar_table());
    for (int i = 0; i < kLength * kSize; ++i)
      REQUIRE(problem.context(i / kSize, i % kSize) == Approx(expect(i / kSize, i % kSize)).margin(0.6));
    const int last = problem.context(kLength - 1, 1);
    problem.args.first_query = kPast;
    problem.args.queries = kLength - kPast;
    problem.put_behind(kPast);  // the same tokens behind a past have the same factors
    problem.run(scalar_table());
    REQUIRE(problem.context(kLength - 1 - kPast, 1) == last);
  }
}

TEST_CASE("every instruction set gives the scalar bytes of pooling, within its arrays", "[kernels]") {
  Random random(55);
  for (const Kernel& kernel : pooling_kernels()) {
    for (int i = 0; i < 100; ++i) {
      CAPTURE(kernel.name, i);
      Problem problem = kernel.make(random);
      require_scalar_bytes(problem);
    }
  }
}

}  // namespace octavo::test
