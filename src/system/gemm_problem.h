// Problems of the GEMM kernels: one product, six epilogues.
#pragma once

#include "system/problem.h"

#include <optional>

namespace octavo::problems {

struct GemmShape {
  int rows, columns, depth;
};

/// The operands of a product, zeros at first.
struct GemmProblem : Problem {
  explicit GemmProblem(GemmShape shape);
  std::uint8_t& activation(int row, int k) {
    return a[elements(row / 16 * (gemm.depth / 64) + k / 64, 1024) + static_cast<std::size_t>(row % 16 * 64 + k % 64)];
  }
  /// In place of s8 weights from now on: codes and multipliers, zeros at first.
  void use_four_bits();
  std::int8_t& weight(int column, int k) {
    const auto index = [](int value) { return static_cast<std::size_t>(value); };
    return b[kernels::packed_index(index(column), index(k), index(gemm.depth))];
  }

  Guarded<std::uint8_t>& a;
  Guarded<std::int8_t>& b;
  Guarded<std::uint8_t>* codes = nullptr;
  Guarded<std::int8_t>* group_multiplier = nullptr;
  Guarded<std::int32_t>&bias, &multiplier;
  kernels::Gemm gemm;
};

/// What is asked of a random problem. What is left out is chosen at random.
struct GemmOptions {
  std::optional<GemmShape> shape = {};
  std::optional<int> shift = {};  ///< then without a shift before it
  Fill a = Fill::any, b = Fill::any, bias = Fill::any;
  std::optional<bool> four_bit = {};  ///< whether weights have 4 bits
  bool typical = false;               ///< constants as of most models, in place of random ones
};

GemmProblem gemm_to_u8(const GemmOptions& options, Random& random);
GemmProblem gemm_gelu(const GemmOptions& options, Random& random);
GemmProblem gemm_add_to_s16(const GemmOptions& options, Random& random);
GemmProblem gemm_add_to_u8(const GemmOptions& options, Random& random);
GemmProblem gemm_to_s16(const GemmOptions& options, Random& random);
GemmProblem gemm_to_s32(const GemmOptions& options, Random& random);

/// All six.
constexpr GemmProblem (*kGemmProblems[])(const GemmOptions&, Random&) = {gemm_to_u8,     gemm_gelu,   gemm_add_to_s16,
                                                                         gemm_add_to_u8, gemm_to_s16, gemm_to_s32};

}  // namespace octavo::problems
