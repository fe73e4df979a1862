// Problems of the small kernels on rows, kernels/rows.h.
#include "system/problem.h"

#include <algorithm>

namespace octavo::problems {
namespace {

using namespace kernels;

constexpr std::int64_t kMostS32 = 2147483647;

int random_columns(Random& random) { return random.one_of({1, 3, 63, 64, 65, 128, 200, random.integer(1, 800)}); }

// A row-major input: rows of `columns` elements, some apart.
template <class T>
struct Input {
  const T* data;
  std::ptrdiff_t stride;
};
template <class T>
Input<T> input_of(Problem& problem, int rows, int columns, std::int64_t low, std::int64_t high, Random& random) {
  const std::ptrdiff_t stride = columns + random.integer(0, 9);
  const std::size_t count = elements(rows - 1, stride) + static_cast<std::size_t>(columns);
  return {problem.filled<T>(count, low, high, random).data(), stride};
}

const std::int32_t* multipliers(Problem& problem, int columns, Random& random) {
  const std::int64_t most = random.one_of({kMostS32, std::int64_t{1} << 22});
  return problem.filled<std::int32_t>(static_cast<std::size_t>(columns), 0, most, random).data();
}

template <class T>
T* output_of(Problem& problem, int columns, Random& random) {
  return problem.row_output<T>(1, columns, 1, -100, 100, random);
}

Problem split_s16(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 20), columns = random_columns(random);
  const auto in = input_of<std::int16_t>(problem, rows, columns, -32768, 32767, random);
  const SplitS16 split = {rows, columns, in.data, in.stride, problem.byte_output(2 * rows, columns, random)};
  problem.call = [split](const KernelTable& table) { table.split_s16(split); };
  return problem;
}

// Accumulators of codes times 8-bit weights.
JoinedRow random_joined(Problem& problem, Random& random) {
  const int columns = random_columns(random);
  constexpr std::int64_t kMost = 1 << 28;
  const std::int64_t most = random.one_of({kMost, std::int64_t{1} << 20});
  const auto high = input_of<std::int32_t>(problem, 1, columns, -most, most, random);
  const auto low = input_of<std::int32_t>(problem, 1, columns, -most, most, random);
  return {columns, high.data, low.data, multipliers(problem, columns, random), random.integer(18, 62)};
}

Problem join_to_s32(Random& random) {
  Problem problem;
  const JoinedRow row = random_joined(problem, random);
  auto* out = output_of<std::int32_t>(problem, row.columns, random);
  problem.call = [row, out](const KernelTable& table) { table.join_to_s32(row, out); };
  return problem;
}

Problem join_to_s16(Random& random) {
  Problem problem;
  const JoinedRow row = random_joined(problem, random);
  auto* out = output_of<std::int16_t>(problem, row.columns, random);
  problem.call = [row, out](const KernelTable& table) { table.join_to_s16(row, out); };
  return problem;
}

Problem shift_s16(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 20), columns = random_columns(random), stride = columns + random.integer(0, 9);
  auto* data = problem.row_output<std::int16_t>(rows, stride, rows, -32768, 32767, random);
  const ShiftS16 shift = {rows, columns, data, stride, random.integer(1, 15)};
  problem.call = [shift](const KernelTable& table) { table.shift_s16(shift); };
  return problem;
}

Problem requantize_s16(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 20), columns = random_columns(random);
  const auto in = input_of<std::int16_t>(problem, rows, columns, -32768, 32767, random);
  const RequantizeS16 requantize = {.rows = rows,
                                    .columns = columns,
                                    .in = in.data,
                                    .stride = in.stride,
                                    .multiplier = random.integer(0, random.one_of({1 << 20, 2147483647})),
                                    .shift = random.one_in(2) ? random.integer(36, 42) : random.integer(1, 62),
                                    .zero_point = random.integer(0, 255),
                                    .out = problem.byte_output(rows, columns, random)};
  problem.call = [requantize](const KernelTable& table) { table.requantize_s16(requantize); };
  return problem;
}

Problem split_u11(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 20), columns = random_columns(random);
  const auto in = input_of<std::int16_t>(problem, rows, columns, 0, 2047, random);
  const SplitU11 split = {rows,
                          columns,
                          in.data,
                          in.stride,
                          problem.byte_output(rows, columns, random),
                          problem.byte_output(rows, columns, random)};
  problem.call = [split](const KernelTable& table) { table.split_u11(split); };
  return problem;
}

Problem shift_tiles(Random& random) {
  Problem problem;
  const int tiles = random.integer(1, 4), columns = 64 * random.integer(1, 5);
  const std::ptrdiff_t bytes = std::ptrdiff_t{kTileRows} * columns, stride = bytes * random.integer(1, 3);
  const auto& in = problem.filled<std::uint8_t>(elements(tiles, stride), 0, 255, random);
  auto* out = problem.row_output<std::uint8_t>(tiles, stride, tiles, 0, 255, random);
  const ShiftTiles shift = {tiles, columns, in.data(), out, stride};
  problem.call = [shift](const KernelTable& table) { table.shift_tiles(shift); };
  return problem;
}

Problem scale_s32(Random& random) {
  Problem problem;
  const int columns = random_columns(random);
  const auto in = input_of<std::int32_t>(problem, 1, columns, -kMostS32, kMostS32, random);
  const ScaleS32 scale = {columns, in.data, multipliers(problem, columns, random), random.integer(18, 62),
                          output_of<std::int32_t>(problem, columns, random)};
  problem.call = [scale](const KernelTable& table) { table.scale_s32(scale); };
  return problem;
}

Problem activate_s16(Random& random) {
  Problem problem;
  const int columns = random_columns(random);
  const auto in = input_of<std::int16_t>(problem, 1, columns, -32768, 32767, random);
  const auto& table = problem.filled<std::int16_t>(1025, -32768, 32767, random);
  const ActivateS16 activate = {columns, in.data, table.data(), output_of<std::int16_t>(problem, columns, random)};
  problem.call = [activate](const KernelTable& kernels) { kernels.activate_s16(activate); };
  return problem;
}

Problem activate_gates(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 9), columns = random_columns(random), stride = columns + random.integer(0, 9);
  auto* data = problem.row_output<std::int16_t>(rows, stride, rows, -32768, 32767, random);
  const ActivateGates gates = {rows, columns, random.one_of({GateFunction::sigmoid, GateFunction::softplus}),
                               data, data,    stride};
  problem.call = [gates](const KernelTable& table) { table.activate_gates(gates); };
  return problem;
}

Problem gated_units(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 20), columns = random_columns(random);
  const std::ptrdiff_t stride = columns + random.integer(0, 9);
  const auto rows16 = [&] {
    return problem.filled<std::int16_t>(elements(rows, stride), -32768, 32767, random).data();
  };
  const bool fine = random.one_in(2);
  const GatedUnits units = {.rows = rows,
                            .columns = columns,
                            .gate = rows16(),
                            .up = random.one_in(4) ? nullptr : rows16(),
                            .stride = stride,
                            .table = problem.filled<std::int16_t>(1025, -32768, 32767, random).data(),
                            .multiplier = random.integer(0, 2147483647),
                            .shift = random.one_in(4) ? random.integer(33, 62) : random.integer(46, 56),
                            .zero_point = random.integer(0, fine ? 2040 : 255),
                            .out = problem.byte_output(rows, columns, random),
                            .fine = fine ? problem.byte_output(rows, columns, random) : ByteMatrix{}};
  problem.call = [units](const KernelTable& table) { table.gated_units(units); };
  return problem;
}

Problem rotate_heads(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 20), heads = random.integer(1, 5), positions = random.integer(1, 30),
            half = random.one_of({1, 2, 16, 32, 64, random.integer(1, 128)}), columns = heads * 2 * half;
  const auto in = input_of<std::int16_t>(problem, rows, columns, -32768, 32767, random);
  auto& cosine = problem.array<std::int16_t>(elements(positions, half));
  auto& sine = problem.array<std::int16_t>(elements(positions, half));
  for (std::size_t i = 0; i < cosine.size(); ++i) {
    const int c = random.integer(0, 32767), s = std::min(32767, 46342 - c);
    cosine[i] = static_cast<std::int16_t>(random.one_in(2) ? c : -c);
    sine[i] = static_cast<std::int16_t>(random.one_in(2) ? s : -s);
  }
  const bool is_signed = random.one_in(2);
  const std::ptrdiff_t out_stride = columns + random.integer(0, 9);
  const RotateHeads rotate = {
      .rows = rows,
      .heads = heads,
      .head_size = 2 * half,
      .in = in.data,
      .stride = in.stride,
      .cosine = cosine.data(),
      .sine = sine.data(),
      .position = problem.filled<std::int32_t>(static_cast<std::size_t>(rows), 0, positions - 1, random).data(),
      .multiplier = random.integer(0, 2147483647),
      .shift = random.one_in(4) ? random.integer(33, 62) : random.integer(50, 56),
      .zero_point = is_signed ? 0 : random.integer(0, 255),
      .low = is_signed ? -127 : 0,
      .high = is_signed ? 127 : 255,
      .out = problem.row_output<std::uint8_t>(rows, out_stride, rows, 0, 255, random),
      .out_stride = out_stride};
  problem.call = [rotate](const KernelTable& table) { table.rotate_heads(rotate); };
  return problem;
}

Problem divide_sums(Random& random) {
  Problem problem;
  const int columns = random_columns(random), count = random.one_of({1, 2, 196, random.integer(1, 65536)});
  const auto sums =
      input_of<std::int32_t>(problem, 1, columns, std::int64_t{-32768} * count, std::int64_t{32767} * count, random);
  const DivideSums divide = {count, columns, sums.data, output_of<std::int16_t>(problem, columns, random)};
  problem.call = [divide](const KernelTable& table) { table.divide_sums(divide); };
  return problem;
}

Problem mean_gate_logits(Random& random) {
  Problem problem;
  const int rows = random.integer(1, 140), heads = random.integer(1, 16);
  const auto in = input_of<std::int32_t>(problem, rows, heads, -kMostS32, kMostS32, random);
  const MeanGateLogits gate = {rows,
                               heads,
                               in.data,
                               in.stride,
                               multipliers(problem, heads, random),
                               random.integer(18, 62),
                               output_of<std::int16_t>(problem, heads, random)};
  problem.call = [gate](const KernelTable& table) { table.mean_gate_logits(gate); };
  return problem;
}

Problem copy_patch(Random& random) {
  Problem problem;
  const int size = random.one_of({1, 4, 14, 16}), width = random.integer(1, 6), height = random.integer(1, 6);
  const std::ptrdiff_t stride = std::ptrdiff_t{3} * size * width + random.integer(0, 5);
  const std::uint8_t* pixels = problem.filled<std::uint8_t>(elements(height * size, stride), 0, 255, random).data();
  const CopyPatch copy = {.pixels = pixels + random.integer(0, height - 1) * size * stride +
                                    std::ptrdiff_t{3} * size * random.integer(0, width - 1),
                          .stride = stride,
                          .patch_size = size,
                          .out = problem.byte_output(20, 3 * size * size, random),
                          .row = random.integer(0, 19)};
  problem.call = [copy](const KernelTable& table) { table.copy_patch(copy); };
  return problem;
}

Problem add_patch(Random& random) {
  Problem problem;
  const int columns = random_columns(random);
  const auto position = input_of<std::int16_t>(problem, 1, columns, -32768, 32767, random);
  const auto patch = input_of<std::int16_t>(problem, 1, columns, -32768, 32767, random);
  const int low = random.one_in(2) ? -32768 : -random.integer(0, 255);
  const AddPatch add = {columns,
                        position.data,
                        random.one_in(4) ? nullptr : patch.data,
                        low,
                        low == -32768 ? 32767 : low + 255,
                        output_of<std::int16_t>(problem, columns, random)};
  problem.call = [add](const KernelTable& table) { table.add_patch(add); };
  return problem;
}

Problem copy_u8_row(Random& random) {
  Problem problem;
  const int columns = random_columns(random), first = random.integer(0, 100);
  const CopyU8Row copy = {.from = problem.byte_output(20, columns, random),
                          .row = random.integer(0, 19),
                          .columns = columns,
                          .to = problem.byte_output(20, first + columns, random),
                          .to_row = random.integer(0, 19),
                          .first_column = first};
  problem.call = [copy](const KernelTable& table) { table.copy_u8_row(copy); };
  return problem;
}

}  // namespace

std::span<const Kernel> small_row_kernels() {
  static constexpr Kernel kKernels[] = {
      {"split_s16", 50, split_s16},           {"join_to_s32", 50, join_to_s32},
      {"join_to_s16", 50, join_to_s16},       {"shift_s16", 50, shift_s16},
      {"requantize_s16", 50, requantize_s16}, {"split_u11", 50, split_u11},
      {"shift_tiles", 50, shift_tiles},       {"scale_s32", 50, scale_s32},
      {"activate_s16", 50, activate_s16},     {"activate_gates", 100, activate_gates},
      {"gated_units", 100, gated_units},      {"rotate_heads", 100, rotate_heads},
      {"divide_sums", 50, divide_sums},       {"mean_gate_logits", 50, mean_gate_logits},
      {"copy_patch", 50, copy_patch},         {"add_patch", 50, add_patch},
      {"copy_u8_row", 50, copy_u8_row}};
  return kKernels;
}

}  // namespace octavo::problems
