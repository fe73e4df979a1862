#include "system/attention_problem.h"

#include <algorithm>
#include <bit>
#include <numeric>

namespace octavo::problems {
namespace {

using namespace kernels;

constexpr std::int64_t kMostS32 = 2147483647;

// Shifts that leave 33..62 for every row. theta and cap from no clipping at all to rows that lose every key.
AttentionConstants random_layer(int length, int head_size, Random& random) {
  const bool clipped = random.one_in(2);
  const bool prunes = clipped && random.one_in(2);
  const bool u16 = !clipped && random.one_in(3);
  // What a row adds: bits of its sum, less one, two or nine.
  const auto bits = [](int largest, int keys) {
    return std::bit_width(static_cast<std::uint64_t>(largest) * static_cast<std::uint64_t>(keys));
  };
  const int most = clipped ? bits(32767, length + 1) - 2 : u16 ? bits(32767, length) - 9 : bits(255, length) - 1;
  return {.head_size = head_size,
          .causal = random.one_in(2),
          .query_zero_point = random.one_of({0, 255, 128, random.integer(0, 255)}),
          .score_multiplier = static_cast<std::uint16_t>(random.integer(32768, 65535)),
          .score_shift = random.one_in(3) ? random.integer(-8, 23) : random.integer(0, 8),
          .clipped = clipped,
          .theta = random.integer(0, random.one_of({0, 1 << 18, 1 << 26, 2147483647})),
          .cap = static_cast<std::uint32_t>(random.between(random.one_of({0, 1 << 30, 2147483647}), kMostS32 + 1)),
          .multiplier = random.integer(1 << 30, 2147483647),
          .shift = random.integer(clipped ? 34
                                  : u16   ? 27
                                          : 26,
                                  62 - most),
          .zero_point = random.integer(0, 255),
          .gate_fraction = 0,
          .least_top = random.one_of({0, 0, 32767}),
          .prune =
              static_cast<std::uint32_t>(prunes ? random.integer(0, random.one_of({1 << 22, 1 << 28, 2147483647})) : 0),
          .levels = nullptr,
          .u16_probabilities = u16};
}

// Levels as of 1 to 4 bits, with any edges.
AttentionLevels random_levels(Random& random) {
  AttentionLevels levels = {};
  levels.count = random.one_of({1, 3, 7, 15});
  for (int i = 0; i < levels.count; ++i) {
    levels.edge[i] = static_cast<std::uint32_t>(random.integer(0, random.one_of({1 << 22, 1 << 28, 2147483647})));
    levels.code[i] = static_cast<std::uint8_t>(random.integer(0, 255));
    levels.multiplier[i] = random.integer(1 << 30, 2147483647);
    levels.shift[i] = random.integer(33, 62);
  }
  std::sort(levels.edge, levels.edge + levels.count);
  return levels;
}

std::size_t rows_of(const AttentionShape& shape, int stride) {
  return elements(shape.length - 1, stride) + static_cast<std::size_t>(shape.head_size);
}

}  // namespace

AttentionProblem::AttentionProblem(const AttentionShape& shape, const AttentionConstants& layer)
    : state_(std::make_shared<State>()),
      stride_(shape.head_size + 24),
      constants(state_->constants),
      levels(state_->levels),
      args(state_->args),
      q(array<std::uint8_t>(rows_of(shape, stride_))),
      k(array<std::int8_t>(rows_of(shape, stride_))),
      v(array<std::int8_t>(rows_of(shape, stride_))),
      gate(array<std::int16_t>(elements(shape.length - 1, kGateStride) + 1)) {
  constants = layer;
  constants.head_size = shape.head_size;
  std::fill(q.begin(), q.end(), std::uint8_t{0});
  std::fill(k.begin(), k.end(), std::int8_t{0});
  std::fill(v.begin(), v.end(), std::int8_t{0});
  std::fill(gate.begin(), gate.end(), std::int16_t{0});
  const int columns = round_up((shape.context_head + 1) * shape.head_size, kTileDepth);
  const std::ptrdiff_t tile_stride = std::ptrdiff_t{kTileRows} * columns;
  const auto context_matrix = [&] {
    auto& bytes = array<std::uint8_t>(elements(round_up(shape.context_row + shape.length, kTileRows), columns), 64);
    std::fill(bytes.begin(), bytes.end(), std::uint8_t{0xA5});
    output(bytes, bytes.size());
    return shape.tile_order ? ByteMatrix{bytes.data(), tile_stride, kTileDepth, kTileRows * kTileDepth}
                            : ByteMatrix{bytes.data(), tile_stride, columns, kTileDepth};
  };
  auto& scratch = array<std::uint8_t>(attention_scratch_bytes(shape.length, shape.head_size), 64);
  std::fill(scratch.begin(), scratch.end(), std::uint8_t{0xFF});
  output(scratch, 0);  // begins each run as it is now
  args = {.constants = &constants,
          .length = shape.length,
          .first_query = shape.first_query,
          .queries = std::min(shape.queries, shape.length - shape.first_query),
          .q = q.data(),
          .k = k.data(),
          .v = v.data(),
          .stride = stride_,
          .key_stride = stride_,
          .gate = shape.gated ? gate.data() : nullptr,
          .gate_stride = kGateStride,
          .context = context_matrix(),
          .context_row = shape.context_row,
          .context_column = shape.context_head * shape.head_size,
          .scratch = scratch.data()};
  if (shape.fine) args.fine = context_matrix();
  if (shape.bias != AttentionShape::Bias::none) {
    const bool pairs = shape.bias == AttentionShape::Bias::pairs;
    const int keys = round_up(shape.length, 32), past = pairs ? 0 : shape.length - 1;
    auto& table = array<std::int32_t>(pairs ? elements(shape.length, keys) : elements(1, past + keys));
    bias = {table.data(), table.size()};
    std::fill(bias.begin(), bias.end(), 0);
    args.bias = table.data() + past;
    args.bias_stride = pairs ? keys : -1;
  }
  if (shape.element_gated) {
    auto& gates = array<std::int16_t>(elements(shape.length, shape.head_size));
    std::fill(gates.begin(), gates.end(), std::int16_t{0});
    element_gate = {gates.data(), gates.size()};
    args.element_gate = gates.data();
    args.element_gate_stride = shape.head_size;
  }
  if (shape.sink) {
    sink = {array<std::int32_t>(1).data(), 1};
    sink[0] = 0;
    args.sink = sink.data();
  }
  call = [state = state_](const KernelTable& table) { table.attention(state->args); };
}

int AttentionProblem::element(const ByteMatrix& m, int query, int d) const {
  const std::ptrdiff_t row = args.context_row + query;
  const int column = args.context_column + d;
  return m.data[row / kTileRows * m.tile_stride + row % kTileRows * m.row_stride +
                column / kTileDepth * m.chunk_stride + column % kTileDepth];
}

void AttentionProblem::put_behind(int past) {
  args.past = past;
  args.first_query -= past;
  args.q += past * args.stride;
  if (args.gate != nullptr) args.gate += past * args.gate_stride;
  if (args.element_gate != nullptr) args.element_gate += past * args.element_gate_stride;
  if (args.bias != nullptr) args.bias += past * args.bias_stride;
  args.context_row += past;
}

void AttentionProblem::use_splits(int splits, Random& random) {
  const auto any_order = [&] {
    std::vector<int> order(static_cast<std::size_t>(splits));
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    return order;
  };
  call = [state = state_, splits, scores = any_order(), sums = any_order()](const KernelTable& table) {
    const Attention& args = state->args;
    const auto all = [&](AttentionSplit::Phase phase) {
      table.attention_split(args, {.phase = phase, .split = 0, .splits = splits, .first_key = 0, .keys = args.length});
    };
    const auto each = [&](AttentionSplit::Phase phase, const std::vector<int>& order) {
      for (const int split : order) {
        const int first = split_begin(args.length, split, splits), end = split_begin(args.length, split + 1, splits);
        table.attention_split(
            args, {.phase = phase, .split = split, .splits = splits, .first_key = first, .keys = end - first});
      }
    };
    each(AttentionSplit::scores, scores);
    all(AttentionSplit::probabilities);
    each(AttentionSplit::sums, sums);
    all(AttentionSplit::context);
  };
}

void AttentionProblem::use_factors(Random& random) {
  constants.clipped = constants.u16_probabilities = false;
  constants.levels = nullptr;
  args.sink = nullptr;
  const int bits = std::bit_width(std::uint64_t{32767} * static_cast<std::uint64_t>(args.length));
  constants.shift = random.integer(27, 71 - bits);
  auto& table = array<std::int16_t>(static_cast<std::size_t>(2 * args.length - 1));
  factors = {table.data(), table.size()};
  for (std::int16_t& each : factors)
    each = static_cast<std::int16_t>(random.one_of({0, 32767, -32767, random.integer(-32767, 32767)}));
  call = [state = state_, factor = table.data() + args.length - 1](const KernelTable& kernels) {
    kernels.attention_by_distance(state->args, {.factor = factor});
  };
}

AttentionProblem random_attention(const AttentionOptions& options, Random& random) {
  const int length = options.length.value_or(random.integer(1, 130));
  const int head_size = options.head_size.value_or(random.one_of({32, 64, 20, 80, 128}));
  AttentionShape shape = {.length = length, .head_size = head_size};
  shape.gated = random.one_in(2);
  shape.context_row = random.integer(0, 40);
  shape.context_head = random.integer(0, 5);
  shape.tile_order = random.one_in(2);
  shape.fine = random.one_in(3);
  shape.bias = random.one_of({AttentionShape::Bias::none, AttentionShape::Bias::none, AttentionShape::Bias::distances,
                              AttentionShape::Bias::pairs});
  if (options.queries || random.one_in(2)) {  // a step of decoding has few
    shape.queries =
        random.integer(1, std::min(length, options.queries.value_or(random.one_of({kDecodeQueries, length}))));
    shape.first_query = random.integer(0, length - shape.queries);
  }
  const AttentionConstants layer = random_layer(length, head_size, random);
  shape.sink = layer.clipped && random.one_in(2);
  shape.element_gated = random.one_in(3);
  AttentionProblem problem(shape, layer);
  if (shape.fine) problem.constants.zero_point = random.integer(0, 2040);
  problem.levels = random_levels(random);
  if (problem.constants.clipped && random.one_in(3)) problem.constants.levels = &problem.levels;
  const int zero = problem.constants.query_zero_point,
            reach = random.one_of({3, 8, 255, 255});  // a few codes: flat rows
  fill(problem.q, Fill::any, std::max(zero - reach, 0), std::min(zero + reach, 255), random);
  fill(problem.k, Fill::any, -127, 127, random);
  fill(problem.v, Fill::any, -127, 127, random);
  problem.args.gate_is_logit = random.one_in(2);
  fill(problem.gate, Fill::any, problem.args.gate_is_logit ? -32768 : 0, 32767, random);
  if (shape.element_gated) problem.constants.gate_fraction = random.integer(0, 3);
  for (std::int16_t& each : problem.element_gate)
    each = static_cast<std::int16_t>(random.one_of({0, 32767, random.integer(0, 32767)}));
  const int most = random.one_of({1000, 1 << 20, kLargestScoreBias});
  for (std::int32_t& each : problem.bias) each = random.integer(-most, most);
  for (std::int32_t& each : problem.sink) each = random.one_of({0, random.integer(-most, most), kLargestScoreBias});
  if (random.one_in(3)) problem.put_behind(random.integer(0, shape.first_query));
  const bool few = problem.args.queries <= kDecodeQueries, by_chance = few && !options.splits && random.one_in(2);
  const int splits = by_chance ? random.integer(1, (length + 63) / 64) : options.splits.value_or(0);
  if (splits > 0) problem.use_splits(splits, random);
  return problem;
}

std::span<const Kernel> attention_kernels() {
  static constexpr Kernel kKernels[] = {
      {"attention", 300, [](Random& random) -> Problem { return random_attention({}, random); }},
      {"attention_by_distance", 50, [](Random& random) -> Problem {
         AttentionProblem problem = random_attention({.splits = 0}, random);
         problem.use_factors(random);
         return problem;
       }}};
  return kKernels;
}

}  // namespace octavo::problems
