// What follows from the sum of a row, in scalars: how clipping, levels and the multiplier of its context depend on it
// (5, 6). The kernels of every instruction set above scalar share this text; the definition has its own.
#pragma once

#include "kernels/attention/tables.h"
#include "kernels/gate_tables.h"
#include "kernels/kernels.h"

#include <stdint.h>

namespace octavo::kernels {
namespace {

int bit_length(uint32_t value) { return 32 - __builtin_clz(value); }  // value > 0

// real = multiplier * 2^-shift
struct RowMultiplier {
  int32_t multiplier;
  int shift;
};

// Those of kRows rows.
template <int kRows>
struct RowMultipliers {
  void set(int row, RowMultiplier by) {
    multiplier[row] = by.multiplier;
    shift[row] = by.shift;
  }
  int32_t multiplier[kRows];
  int shift[kRows];
};

// (5 a) The multiplier of the context of u8 probabilities, divided by their sum.
RowMultiplier divided_by_sum(const AttentionConstants& constants, uint32_t sum) {
  const int bits = bit_length(sum);
  const uint64_t numerator = static_cast<uint64_t>(constants.multiplier) << (bits - 1);
  return {static_cast<int32_t>(numerator / sum), constants.shift + bits - 1};
}

// (5 e) The same of 16-bit ones, whose sums with values are in steps of 256.
RowMultiplier u16_divided_by_sum(const AttentionConstants& constants, uint32_t sum) {
  const RowMultiplier by = divided_by_sum(constants, sum);
  return {by.multiplier, by.shift - 8};
}

// A part, in Q31, of the row's sum.
uint64_t part_of(uint32_t sum, uint32_t part) { return (uint64_t{sum} * part + (1u << 30)) >> 31; }

// A bound on 16-bit values that are at most 32767.
int bound(uint64_t value) { return static_cast<int>(value < 32767 ? value : 32767); }

// What is known of a row once its exponentials are there.
struct RowExponentials {
  uint32_t sum;  // with that of a sink
  int32_t top;   // what codes are relative to: the largest one, or more
};

// (5 b, c) Clipping: of what is above the threshold and at most `top`, what is above `prune`, times 2^normalize and
// inverse.
struct Clip {
  [[gnu::always_inline]] Clip(const AttentionConstants& constants, const RowExponentials& row) {
    const uint32_t sum = row.sum;
    const uint64_t at = part_of(sum, static_cast<uint32_t>(constants.theta)), cap = part_of(sum, constants.cap);
    const uint64_t largest = static_cast<uint64_t>(row.top), range = at < largest ? largest - at : 1;
    top = static_cast<int>(range < cap ? range : cap);
    if (top < 1) top = 1;
    const int bits = bit_length(static_cast<uint32_t>(top)), sum_bits = bit_length(sum);
    normalize = 15 - bits;
    const uint32_t normalized = static_cast<uint32_t>(top) << normalize;
    inverse = static_cast<int>((255u << 22) / normalized);
    const uint64_t numerator = (static_cast<uint64_t>(constants.multiplier) * normalized) << (sum_bits - 15);
    by = {static_cast<int32_t>(numerator / (2 * uint64_t{sum})), constants.shift + sum_bits - bits - 1};
    threshold = bound(at);
    prune = bound(part_of(sum, constants.prune));
  }
  int threshold, prune, top;
  int inverse;
  int normalize;
  RowMultiplier by;
};

// (5 d) Levels: code[i] is that of what is above the threshold by more than edge[i], for i up to `top`.
struct RowLevels {
  [[gnu::always_inline]] RowLevels(const AttentionConstants& constants, const RowExponentials& row) {
    const AttentionLevels& levels = *constants.levels;
    const uint64_t at = part_of(row.sum, static_cast<uint32_t>(constants.theta));
    threshold = bound(at);
    for (int level = 0; level < levels.count; ++level) {
      const uint64_t from = part_of(row.sum, levels.edge[level]);
      if (at + from < static_cast<uint64_t>(row.top)) top = level;
      edge[level] = bound(from);
    }
    for (int level = 0; level <= top; ++level) code[level] = levels.code[top - level];
    by = {levels.multiplier[top], levels.shift[top]};
  }
  int threshold;
  int top = 0;
  int edge[kMostLevels];
  int code[kMostLevels];
  RowMultiplier by;
};

// (6) Q15, by symmetry and 64 linear cells over [0, 8).
int32_t sigmoid(int32_t x) {
  const int32_t magnitude = x < 0 ? -x : x, a = magnitude < 16384 ? magnitude : 16384, cell = a >> 8;
  const int32_t s = kSigmoid[cell] + (((kSigmoid[cell + 1] - kSigmoid[cell]) * (a & 255) + 128) >> 8);
  return x < 0 ? 32768 - s : s;
}

// What is added to the scores of a query, by key.
const int32_t* bias_of(const Attention& attention, int query) { return attention.bias + query * attention.bias_stride; }

// The gates of rows first .. first + rows - 1 multiply their contexts.
void apply_gates(const Attention& attention, int first, int rows, int32_t* multiplier) {
  if (attention.gate == nullptr) return;
  for (int i = 0; i < rows; ++i) {
    const int16_t given = attention.gate[(first + i) * attention.gate_stride];
    const int64_t gate = attention.gate_is_logit ? sigmoid(given) : given;
    multiplier[i] = static_cast<int32_t>((multiplier[i] * gate + (1 << 14)) >> 15);
  }
}

}  // namespace
}  // namespace octavo::kernels
