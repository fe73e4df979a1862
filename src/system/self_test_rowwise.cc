// Self-test cases of LayerNorm, embedding sum and column sum.
#include "system/self_test_cases.h"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace octavo::self_test_cases {
namespace {

using kernels::KernelTable;

constexpr std::int64_t kMostS32 = 2147483647;

int random_columns(Random& random) {
  return random.one_of({1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 384, 768, 1000, random.integer(1, 8192), 8192});
}

// Gains and offsets whose results mostly fit 8 or 16 bits, and any others.
struct Lane {
  Values<std::int32_t> gain, offset;
  int shift;
  std::int32_t low, high;

  kernels::NormLane norm_lane() const { return {gain.data(), offset.data(), shift, low, high}; }
};

struct Limits {
  std::int32_t low, high;
};

Lane random_lane(int columns, Limits limits, Random& random) {
  const auto count = static_cast<std::size_t>(columns);
  const std::int64_t gain = random.one_of<std::int64_t>({kMostS32, 1 << 28, 1 << 20});
  const std::int64_t offset = random.one_of({1 << 30, 1 << 18, 0});
  const std::int32_t low = random.one_in(2) ? limits.low : random.integer(limits.low, limits.high);
  const std::int32_t high = random.one_in(2) ? limits.high : random.integer(low, limits.high);
  return {random.values<std::int32_t>(count, -gain, gain), random.values<std::int32_t>(count, -offset, offset),
          random.one_in(3) ? random.integer(1, 30) : random.integer(4, 12), low, high};
}

// Rows of different spread, each with values of its own kind.
Values<std::int16_t> random_stream(int rows, int stride, Random& random) {
  Values<std::int16_t> all;
  for (int row = 0; row < rows; ++row) {
    const int spread = random.one_of({0, 1, 100, 20000, 65535}), low = random.integer(-32768, 32767 - spread);
    const auto one = random.values<std::int16_t>(static_cast<std::size_t>(stride), low, low + spread);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

}  // namespace

Case layer_norm(Random& random) {
  const int rows = random.integer(1, 20), columns = random_columns(random), stride = columns + random.integer(0, 9);
  const bool in_place = random.one_in(2), both = random.one_in(2), bytes = both || random.one_in(2);
  const std::int64_t epsilon = random.between(0, std::int64_t{1} << random.integer(0, 58));
  const auto in = random_stream(rows, stride, random);
  const Lane bytes_lane = random_lane(columns, {0, 255}, random);
  const Lane stream_lane = random_lane(columns, {-32768, 32767}, random);
  const ByteOutput bytes_output(rows, columns, random);
  return [=](const KernelTable& table) {
    ByteOutput bytes_out = bytes_output;
    RowOutput<std::int16_t> stream_out = {stride, in};
    const kernels::NormLane none = {};
    table.layer_norm({.rows = rows,
                      .columns = columns,
                      .in = in_place ? stream_out.data.data() : in.data(),
                      .in_stride = stride,
                      .epsilon = epsilon,
                      .bytes = bytes ? bytes_lane.norm_lane() : none,
                      .bytes_out = bytes_out.matrix(),
                      .stream = both || !bytes ? stream_lane.norm_lane() : none,
                      .stream_out = stream_out.data.data(),
                      .stream_stride = stride});
    Bytes result = bytes_out.all();
    const Bytes stream = stream_out.first(rows);
    result.insert(result.end(), stream.begin(), stream.end());
    return result;
  };
}

Case embedding_sum(Random& random) {
  constexpr int kMost = (1 << 22) - 1;
  struct Table {
    Values<std::int8_t> rows;
    Values<std::int32_t> multiplier, index;
  };
  const int rows = random.integer(1, 20), columns = random_columns(random);
  const std::int32_t most = random.one_of({kMost, 1 << 16});
  std::vector<Table> tables(static_cast<std::size_t>(random.integer(1, 4)));
  for (Table& table : tables) {
    const std::int32_t limit = &table == &tables[0] + 3 ? most / 2 : most;
    const auto count = static_cast<std::size_t>(random.integer(1, 5));
    table = {random.values<std::int8_t>(count * static_cast<std::size_t>(columns), -128, 127),
             random.values<std::int32_t>(count, -limit, limit),
             random.values<std::int32_t>(static_cast<std::size_t>(rows), 0, static_cast<std::int64_t>(count) - 1)};
  }
  const int stride = columns + random.integer(0, 9);
  const auto output = random_stream(rows, stride, random);
  return [=, tables = std::move(tables)](const KernelTable& table) {
    RowOutput<std::int16_t> out = {stride, output};
    kernels::EmbeddingSum sum = {.rows = rows,
                                 .columns = columns,
                                 .tables = static_cast<int>(tables.size()),
                                 .table = {},
                                 .out = out.data.data(),
                                 .stride = stride};
    for (std::size_t i = 0; i < tables.size(); ++i) {
      sum.table[i] = {tables[i].rows.data(), tables[i].multiplier.data(), tables[i].index.data()};
    }
    table.embedding_sum(sum);
    return out.first(rows);
  };
}

Case column_sum(Random& random) {
  const bool long_sequence = random.one_in(20);
  const int rows = long_sequence ? 65536 : random.integer(1, 40);
  const int columns = long_sequence ? random.integer(1, 20) : random_columns(random);
  const int stride = columns + random.integer(0, 9);
  const auto size = static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride);
  const auto in = random.values<std::int16_t>(size, -32768, 32767);
  return [=](const KernelTable& table) {
    const int more = columns + 32;  // beyond the sums nothing may be written
    RowOutput<std::int32_t> out = {more, Values<std::int32_t>(static_cast<std::size_t>(more))};
    table.column_sum({.rows = rows, .columns = columns, .in = in.data(), .stride = stride, .out = out.data.data()});
    return out.first(1);
  };
}

}  // namespace octavo::self_test_cases
