#include "system/rowwise_problem.h"

#include <algorithm>

namespace octavo::problems {
namespace {

using namespace kernels;

constexpr std::int64_t kMostS32 = 2147483647;

int random_columns(Random& random) {
  return random.one_of({1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 384, 768, 1000, random.integer(1, 8192), 8192});
}

// A stream's rows of different spread and place, each with values of its own kind.
void fill_rows(Guarded<std::int16_t>& values, std::ptrdiff_t stride, Random& random) {
  struct Row {
    std::int16_t *first, *last;
    std::int16_t* begin() const { return first; }
    std::int16_t* end() const { return last; }
  };
  for (std::int16_t* first = values.begin(); first < values.end(); first += stride) {
    const int spread = random.one_of({0, 1, 2, 100, 3000, 20000, 65535}), low = random.integer(-32768, 32767 - spread);
    Row row = {first, std::min(first + stride, values.end())};
    fill(row, Fill::any, low, low + spread, random);
  }
}

// Gains and offsets whose results mostly fit 8 or 16 bits, and any others.
void randomize(NormOutput& output, int lowest, int highest, Random& random) {
  const std::int64_t gain = random.one_of<std::int64_t>({kMostS32, 1 << 28, 1 << 20}),
                     offset = random.one_of({1 << 30, 1 << 18, 0});
  fill(output.gain, Fill::any, -gain, gain, random);
  fill(output.offset, Fill::any, -offset, offset, random);
  output.constants.shift = random.one_in(3) ? random.integer(1, 30) : random.integer(4, 14);
  output.constants.low = random.one_in(2) ? lowest : random.integer(lowest, highest);
  output.constants.high = random.one_in(2) ? highest : random.integer(output.constants.low, highest);
}

}  // namespace

LayerNormProblem::LayerNormProblem(int rows, int columns, Order order)
    : args_(std::make_shared<LayerNorm>()),
      rows(rows),
      columns(columns),
      args(*args_),
      in(array<std::int16_t>(elements(rows, columns + kGap) - kGap)),
      u8_output(array<std::uint8_t>(order == Order::tiles
                                        ? elements(round_up(rows, kTileRows), round_up(columns, kTileDepth))
                                        : elements(rows, columns + kGap) - kGap,
                                    order == Order::tiles ? 64 : 1)),
      s16_output(array<std::int16_t>(elements(rows, columns + kGap + 1) - kGap)),
      u8{array<std::int32_t>(static_cast<std::size_t>(columns)), array<std::int32_t>(static_cast<std::size_t>(columns)),
         args.u8},
      s16{array<std::int32_t>(static_cast<std::size_t>(columns)),
          array<std::int32_t>(static_cast<std::size_t>(columns)), args.s16} {
  std::fill(in.begin(), in.end(), std::int16_t{0});
  std::fill(u8_output.begin(), u8_output.end(), std::uint8_t{0xA5});
  std::fill(s16_output.begin(), s16_output.end(), static_cast<std::int16_t>(0xA5A5));
  output(u8_output, u8_output.size());
  output(s16_output, s16_output.size());
  u8.set(0, 0), s16.set(0, 0);
  const int stride = columns + kGap, tile = kTileRows * round_up(columns, kTileDepth);
  args = {.rows = rows,
          .columns = columns,
          .in = in.data(),
          .in_stride = stride,
          .epsilon = 0,
          .u8 = {u8.gain.data(), u8.offset.data(), 10, 0, 255},
          .u8_output = order == Order::tiles ? ByteMatrix{u8_output.data(), tile, kTileDepth, kTileRows * kTileDepth}
                                             : ByteMatrix{u8_output.data(), kTileRows * stride, stride, kTileDepth},
          .s16 = {s16.gain.data(), s16.offset.data(), 10, -32768, 32767},
          .s16_output = s16_output.data(),
          .s16_stride = stride + 1};
  call = [args = args_](const KernelTable& table) { table.layer_norm(*args); };
}

void LayerNormProblem::use_place_of_input() {
  args.s16_output = in.data();
  args.s16_stride = args.in_stride;
  output(in, in.size());
}

EmbeddingProblem::EmbeddingProblem(int rows, int columns, int tables, Random& random) {
  constexpr int kMost = (1 << 22) - 1;
  const int most = random.one_of({kMost, 1 << 16, 1 << 11});
  args = {.rows = rows, .columns = columns, .tables = tables, .table = {}, .out = nullptr, .stride = columns + 3};
  for (int i = 0; i < tables; ++i) {
    const int limit = i == 3 ? most / 2 : most;
    args.table[i] = {filled<std::int8_t>(elements(kCount, columns), -128, 127, random).data(),
                     filled<std::int32_t>(kCount, -limit, limit, random).data(),
                     filled<std::int32_t>(static_cast<std::size_t>(rows), 0, kCount - 1, random).data()};
  }
  auto& out = filled<std::int16_t>(elements(rows, args.stride) - 3, -32768, 32767, random);
  output(out, out.size());
  args.out = out.data();
  call = [args = args](const KernelTable& table) { table.embedding_sum(args); };
}

LayerNormProblem random_layer_norm(const RowOptions& options, Random& random) {
  const auto order = random.one_in(2) ? Problem::Order::tiles : Problem::Order::rows;
  LayerNormProblem problem(options.rows.value_or(random.integer(1, 20)),
                           options.columns.value_or(random_columns(random)), order);
  fill_rows(problem.in, problem.args.in_stride, random);
  problem.args.epsilon = random.one_in(3) ? 0 : random.between(0, std::int64_t{1} << random.integer(0, 58));
  randomize(problem.u8, 0, 255, random);
  randomize(problem.s16, -32768, 32767, random);
  problem.args.rms = random.one_in(4);
  OutlierColumns& outliers = problem.args.outliers;
  for (int j = 0; random.one_in(2) && outliers.count < kMostOutlierColumns; ++outliers.count) {
    j += random.integer(0, problem.columns / 4);
    if (j >= problem.columns) break;
    outliers.column[outliers.count] = j++;
    outliers.shift[outliers.count] = random.integer(1, kLargestOutlierShift);
  }
  const int one = random.integer(0, 3);
  if (one == 0) problem.args.u8 = {};
  if (one == 1) problem.args.s16 = {};
  if (random.one_in(2)) problem.use_place_of_input();
  return problem;
}

EmbeddingProblem random_embedding_sum(const RowOptions& options, Random& random) {
  return {options.rows.value_or(random.integer(1, 20)), options.columns.value_or(random_columns(random)),
          random.integer(1, 4), random};
}

Problem random_column_sum(const RowOptions& options, Random& random) {
  const bool long_sequence = !options.rows && random.one_in(20);
  const int rows = long_sequence ? 65536 : options.rows.value_or(random.integer(1, 40));
  const int columns = long_sequence ? random.integer(1, 20) : options.columns.value_or(random_columns(random));
  const std::ptrdiff_t stride = columns + random.integer(0, 9);
  Problem problem;
  const auto& in = problem.filled<std::int16_t>(elements(rows - 1, stride) + static_cast<std::size_t>(columns), -32768,
                                                32767, random);
  const ColumnSum sum = {.rows = rows,
                         .columns = columns,
                         .in = in.data(),
                         .stride = stride,
                         .out = problem.row_output<std::int32_t>(1, columns, 1, 0, 0, random)};
  problem.call = [sum](const KernelTable& table) { table.column_sum(sum); };
  return problem;
}

std::span<const Kernel> rowwise_kernels() {
  static constexpr Kernel kKernels[] = {
      {"layer_norm", 200, [](Random& random) -> Problem { return random_layer_norm({}, random); }},
      {"embedding_sum", 100, [](Random& random) -> Problem { return random_embedding_sum({}, random); }},
      {"column_sum", 60, [](Random& random) -> Problem { return random_column_sum({}, random); }}};
  return kKernels;
}

}  // namespace octavo::problems
