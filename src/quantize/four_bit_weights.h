// Weights of 4 bits: which whole multiple of its row's scale each group of inputs is coded in, and how codes are
// packed.
#pragma once

#include "base/thread_pool.h"
#include "quantize/float_rows.h"
#include "quantize/quantized_weights.h"

#include "octavo/tensor.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// Chooses scales and multipliers of a block's rows, by the least squared error of their weights, each weighted by the
/// second moment of its input where these are known (fixed-point.md 12). The pool's threads work for it, where there is
/// one; the result is the same.
FloatRows with_group_multipliers(FloatRows rows, const InputCodes& codes, std::span<const float> importance,
                                 ThreadPool* pool);

/// Puts a block's multipliers from `first_column` on where kernels read them: [columns / 32][depth / 32][32].
void put_group_multipliers(const FloatRows& rows, std::size_t first_column, std::size_t depth,
                           std::span<std::int8_t> to);

/// u8 [columns, depth / 2] of packed s8 weights, each of which is a code of -8..7 times its multiplier.
Tensor four_bit_codes(std::span<const std::int8_t> packed, std::span<const std::int8_t> multiplier, std::size_t columns,
                      std::size_t depth);

}  // namespace octavo
