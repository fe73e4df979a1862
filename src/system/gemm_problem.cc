#include "system/gemm_problem.h"

#include <algorithm>

namespace octavo::problems {
namespace {

using kernels::KernelTable;

constexpr std::int64_t kMostS32 = 2147483647;

// From products that all saturate to ones whose results are a few units; shifts of 38 to 46 give about 8 bits.
GemmProblem random_product(const GemmOptions& options, Random& random) {
  const GemmShape any = {random.integer(1, 35), 32 * random.integer(1, 3), 64 * random.integer(1, 5)};
  GemmProblem problem(options.shape.value_or(any));
  const bool random_scale = !options.shift && !options.typical, large_multipliers = random_scale && random.one_in(4);
  const int usual_shift = random.one_in(2) ? random.integer(38, 46) : random.integer(33, 62);
  problem.gemm.shift = large_multipliers ? 33 : options.shift.value_or(options.typical ? 46 : usual_shift);
  problem.gemm.pre_shift = large_multipliers ? random.integer(1, 15) : 0;
  const int largest_weight = options.b == Fill::any ? random.one_of({0, 1, 127, 127, 127}) : 127;
  const std::int64_t any_bias = random.one_of({0, 3000, 1000000, 1 << 30});
  const std::int64_t bias = options.typical                 ? 100000
                            : options.bias == Fill::any     ? any_bias
                            : options.bias == Fill::uniform ? 2000000
                                                            : 1 << 30;
  const std::int64_t multiplier = random.one_of({kMostS32, kMostS32, std::int64_t{1} << 22});
  fill(problem.a, options.a, 0, 255, random);
  fill(problem.b, options.b, -largest_weight - random.integer(0, 1), largest_weight, random);
  if (options.four_bit.value_or(!options.typical && random.one_in(2))) {
    problem.use_four_bits();
    const int lowest = random.one_of({0, 0, 0x88}), highest = random.one_of({255, 255, 0x88});
    fill(*problem.codes, options.b, lowest, highest, random);
    fill(*problem.group_multiplier, options.b == Fill::any ? Fill::uniform : options.b, -15, 16, random);
  }
  fill(problem.bias, options.bias, -bias, bias, random);
  if (options.typical)
    fill(problem.multiplier, Fill::uniform, 1 << 30, kMostS32, random);
  else
    fill(problem.multiplier, options.bias, 0, options.bias == Fill::any ? multiplier : kMostS32, random);
  return problem;
}

// A row-major output: where it starts, and elements between its rows.
template <class T>
struct Rows {
  T* data;
  std::ptrdiff_t stride;
};
template <class T>
Rows<T> rows_of(GemmProblem& problem, std::int64_t low, std::int64_t high, Random& random) {
  const int stride = problem.gemm.columns + random.one_of({0, 7, 32});
  const int rows = round_up(problem.gemm.rows, kernels::kTileRows);
  return {problem.row_output<T>(rows, stride, problem.gemm.rows, low, high, random), stride};
}

kernels::ByteMatrix bytes_of(GemmProblem& problem, const GemmOptions& options, Random& random) {
  const auto order = options.typical ? Problem::Order::tiles : Problem::Order::any;
  return problem.byte_output(problem.gemm.rows, problem.gemm.columns, random, order);
}

}  // namespace

GemmProblem::GemmProblem(GemmShape shape)
    : a(array<std::uint8_t>(elements(round_up(shape.rows, kernels::kTileRows), shape.depth), 64)),
      b(array<std::int8_t>(elements(shape.columns, shape.depth), 64)),
      bias(array<std::int32_t>(static_cast<std::size_t>(shape.columns))),
      multiplier(array<std::int32_t>(static_cast<std::size_t>(shape.columns))),
      gemm{.rows = shape.rows,
           .columns = shape.columns,
           .depth = shape.depth,
           .a = a.data(),
           .b = b.data(),
           .bias = bias.data(),
           .multiplier = multiplier.data(),
           .shift = 33} {
  std::fill(a.begin(), a.end(), std::uint8_t{0});
  std::fill(b.begin(), b.end(), std::int8_t{0});
  std::fill(bias.begin(), bias.end(), 0);
  std::fill(multiplier.begin(), multiplier.end(), 0);
}

void GemmProblem::use_four_bits() {
  const std::size_t weights = elements(gemm.columns, gemm.depth);
  codes = &array<std::uint8_t>(weights / 2, 64);
  group_multiplier = &array<std::int8_t>(weights / kernels::kGroupDepth, 32);
  Guarded<std::int8_t>& scratch = array<std::int8_t>(kernels::four_bit_scratch_bytes(gemm.depth), 64);
  std::fill(codes->begin(), codes->end(), std::uint8_t{0x88});
  std::fill(group_multiplier->begin(), group_multiplier->end(), std::int8_t{0});
  gemm.b = nullptr;
  gemm.four_bit = {.codes = codes->data(), .multiplier = group_multiplier->data(), .scratch = scratch.data()};
}

GemmProblem gemm_to_u8(const GemmOptions& options, Random& random) {
  GemmProblem problem = random_product(options, random);
  const std::int32_t zero_point = options.typical ? 128 : random.integer(0, 255);
  kernels::ToU8 to = {zero_point, 0, 255, bytes_of(problem, options, random)};
  if (!options.typical && random.one_in(3)) to.zero_point = 0, to.low = -127, to.high = 127;
  if (!options.typical && random.one_in(3)) to.zero_point = to.low = zero_point, to.high = 255;
  problem.call = [gemm = problem.gemm, to](const KernelTable& table) { table.gemm_to_u8(gemm, to); };
  return problem;
}

GemmProblem gemm_gelu(const GemmOptions& options, Random& random) {
  GemmProblem problem = random_product(options, random);
  const int fraction_bits = options.typical ? 5 : random.integer(0, 6);
  const int fine_bits = options.typical ? 0 : random.integer(0, fraction_bits);
  const int normalize = options.typical ? 3 : random.integer(0, 15);
  const int limit = options.typical ? 6554 : random.integer(1, std::min(32768, 65535 >> normalize));
  const int inverse = options.typical ? 40000 : random.integer(0, 65535);
  const int offset = options.typical ? 0 : -32768;
  Guarded<std::int16_t>&base = problem.array<std::int16_t>(32, 64), &slope = problem.array<std::int16_t>(32, 64);
  fill(base, Fill::any, -24000, 24000, random);
  fill(slope, Fill::any, -8000, 8000, random);
  const kernels::Gelu to = {
      .fraction_bits = fraction_bits,
      .limit = static_cast<std::uint16_t>(limit),
      .normalize = normalize,
      .inverse = static_cast<std::uint16_t>(inverse),
      .base = base.data(),
      .slope = slope.data(),
      .offset = problem.filled<std::int16_t>(static_cast<std::size_t>(problem.gemm.columns), offset, 0, random).data(),
      .out = bytes_of(problem, options, random),
      .fine_bits = fine_bits,
      .fine = bytes_of(problem, options, random)};
  problem.call = [gemm = problem.gemm, to](const KernelTable& table) { table.gemm_gelu(gemm, to); };
  return problem;
}

GemmProblem gemm_add_to_s16(const GemmOptions& options, Random& random) {
  GemmProblem problem = random_product(options, random);
  const auto [data, stride] = rows_of<std::int16_t>(problem, -32768, 32767, random);
  const kernels::AddToS16 to = {data, stride};
  problem.call = [gemm = problem.gemm, to](const KernelTable& table) { table.gemm_add_to_s16(gemm, to); };
  return problem;
}

GemmProblem gemm_add_to_u8(const GemmOptions& options, Random& random) {
  constexpr int kMost = 1 << 22;
  GemmProblem problem = random_product(options, random);
  const auto [data, stride] = rows_of<std::int16_t>(problem, -255, 255, random);
  for (int row = 0; row < problem.gemm.rows; ++row)  // the last column is one of padding
    data[row * stride + problem.gemm.columns - 1] = static_cast<std::int16_t>(random.integer(-32768, 32767));
  const std::int32_t low = -random.integer(0, 255);
  const kernels::AddToU8 to = {
      .zero_point = random.integer(0, 255),
      .product_multiplier = random.one_of({-kMost, 3 << 19, random.integer(-kMost, kMost)}),  // 3 << 19: ties
      .stream_multiplier = random.one_of({kMost, 1 << 20, random.integer(-kMost, kMost)}),
      .low = low,
      .high = 255 + low,
      .stream = data,
      .stride = stride};
  problem.call = [gemm = problem.gemm, to](const KernelTable& table) { table.gemm_add_to_u8(gemm, to); };
  return problem;
}

GemmProblem gemm_to_s16(const GemmOptions& options, Random& random) {
  GemmProblem problem = random_product(options, random);
  const auto [data, stride] = rows_of<std::int16_t>(problem, -32768, 32767, random);
  const kernels::ToS16 to = {random.integer(-32768, 32767), data, stride};
  problem.call = [gemm = problem.gemm, to](const KernelTable& table) { table.gemm_to_s16(gemm, to); };
  return problem;
}

GemmProblem gemm_to_s32(const GemmOptions& options, Random& random) {
  GemmProblem problem = random_product(options, random);
  const auto [data, stride] = rows_of<std::int32_t>(problem, -kMostS32, kMostS32, random);
  const kernels::ToS32 to = {data, stride};
  problem.call = [gemm = problem.gemm, to](const KernelTable& table) { table.gemm_to_s32(gemm, to); };
  return problem;
}

namespace {

template <GemmProblem (*make)(const GemmOptions&, Random&)>
Problem any(Random& random) {
  return make({}, random);
}

}  // namespace

std::span<const Kernel> gemm_kernels() {
  static constexpr Kernel kKernels[] = {
      {"gemm_to_u8", 200, any<gemm_to_u8>},           {"gemm_gelu", 200, any<gemm_gelu>},
      {"gemm_add_to_s16", 100, any<gemm_add_to_s16>}, {"gemm_add_to_u8", 100, any<gemm_add_to_u8>},
      {"gemm_to_s16", 100, any<gemm_to_s16>},         {"gemm_to_s32", 100, any<gemm_to_s32>}};
  return kKernels;
}

}  // namespace octavo::problems
