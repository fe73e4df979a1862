// The softmax of the 256-bit attention kernel, on 32 scores at a time in 16-bit lanes: from scores to probabilities and
// to the row's multiplier, which carries their sum, clipping and the gate (5, 6).
#pragma once

#include "kernels/attention/blocks_256.h"
#include "kernels/attention/sigmoid.h"

namespace octavo::kernels {
namespace {

// 32 values of 16 bits as two tables of bytes, for vpshufb.
struct Table {
  uint8_t low[32], high[32];
};
constexpr Table table_of(const int16_t (&values)[32]) {
  Table table = {};
  for (int i = 0; i < 32; ++i) {
    table.low[i] = static_cast<uint8_t>(values[i] & 255);
    table.high[i] = static_cast<uint8_t>(values[i] >> 8);
  }
  return table;
}

// 2^-x in 32 cells c: T[c] - mulhrs(D[c], within << 9), T = round(2^15 * 2^(-c / 32)), D[c] = T[c] - T[c + 1]. In an
// odd cell, bit 15 of u << 9 is the cell's lowest bit and takes away 2^15 of the factor, so D[c] of the product: kBase
// has T[c + 1] there, and `u << 9` needs no mask.
constexpr Table kBase = table_of({
    32767, 31379, 31379, 30048, 30048, 28774, 28774, 27554, 27554, 26386, 26386, 25268, 25268, 24196, 24196, 23170,
    23170, 22188, 22188, 21247, 21247, 20347, 20347, 19484, 19484, 18658, 18658, 17867, 17867, 17109, 17109, 16384,
});
constexpr Table kSlope = table_of({
    701, 687, 673, 658, 643, 631, 616, 604, 590, 578, 565, 553, 542, 530, 518, 508,
    496, 486, 475, 466, 455, 445, 436, 427, 418, 408, 400, 391, 383, 375, 366, 359,
});

// All ones in the lanes whose number, counted from `first`, is below `count`.
__m256i lanes_below_32(int first, int count) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(count - first), lane);
}
__m256i lanes_below_16(int first, int count) {
  const __m256i lane = _mm256_setr_epi16(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const int below = count < first ? 0 : least(count - first, 16);
  return _mm256_cmpgt_epi16(_mm256_set1_epi16(static_cast<int16_t>(below)), lane);
}

int32_t sum_of_lanes(__m256i x) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0b01001110));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0b10110001)));
}
int32_t largest_lane(__m256i x) {
  const __m128i four = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  const __m128i two = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0b01001110));
  return _mm_cvtsi128_si32(_mm_max_epi32(two, _mm_shuffle_epi32(two, 0b10110001)));
}

// The largest of one row's scores that it sees.
int32_t find_largest(const int32_t* scores, int visible) {
  const __m256i least_value = _mm256_set1_epi32(INT32_MIN);
  __m256i largest = least_value;
  for (int key = 0; key < visible; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    for (int i = 0; i < kStepKeys; i += 8) {
      const __m256i seen = lanes_below_32(key + i, visible);
      largest = _mm256_max_epi32(largest, _mm256_blendv_epi8(least_value, load(scores + i), seen));
    }
  }
  return largest_lane(largest);
}

// 32 values of 16 bits in key order.
struct Step {
  __m256i first, second;
};

// table[cell] for 32 cells in bytes; `upper` has bit 7 set where the cell is 16 or more.
Step look_up(const Table& table, __m256i cell, __m256i upper) {
  const auto bytes = [&](const uint8_t* plane) {
    const __m256i lower_half = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(plane)));
    const __m256i upper_half =
        _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(plane + 16)));
    return _mm256_blendv_epi8(_mm256_shuffle_epi8(lower_half, cell), _mm256_shuffle_epi8(upper_half, cell), upper);
  };
  const __m256i low = bytes(table.low), high = bytes(table.high);
  return {_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)};
}

// 2^(15-n) for 32 values n of 0 .. 15 in bytes.
Step power_of_two(__m256i n) {
  const __m256i high_bits =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(-128, 64, 32, 16, 8, 4, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0));
  const __m256i low_bits =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, -128, 64, 32, 16, 8, 4, 2, 1));
  const __m256i low = _mm256_shuffle_epi8(low_bits, n), high = _mm256_shuffle_epi8(high_bits, n);
  return {_mm256_unpacklo_epi8(low, high), _mm256_unpackhi_epi8(low, high)};
}

// 2^-distance of 32 scores from the row's largest, Q15. A score is scaled by 2^-shift to 16 bits; where that is a left
// shift, a difference that saturates becomes 65536 - 2^-shift instead of 65535, and its power is 0 either way.
class Exponential {
 public:
  explicit Exponential(const AttentionConstants& constants)
      : multiplier_(_mm256_set1_epi16(static_cast<int16_t>(constants.score_multiplier))),
        right_(_mm_cvtsi32_si128(constants.score_shift < 0 ? 0 : constants.score_shift)),
        left_(_mm_cvtsi32_si128(constants.score_shift < 0 ? -constants.score_shift : 0)),
        limit_(_mm256_srl_epi16(_mm256_set1_epi16(-1), left_)) {}

  Step operator()(const int32_t* scores, __m256i largest) const {
    const __m256i first = distance(scores, largest), second = distance(scores + 16, largest);
    const __m256i five_bits = _mm256_set1_epi16(31);
    const __m256i cell = _mm256_packus_epi16(_mm256_and_si256(_mm256_srli_epi16(first, 6), five_bits),
                                             _mm256_and_si256(_mm256_srli_epi16(second, 6), five_bits));
    const __m256i whole = _mm256_packus_epi16(_mm256_srli_epi16(first, 11), _mm256_srli_epi16(second, 11));
    const __m256i upper = _mm256_slli_epi16(cell, 3);
    const Step base = look_up(kBase, cell, upper), slope = look_up(kSlope, cell, upper);
    const Step power = power_of_two(_mm256_min_epu8(whole, _mm256_set1_epi8(15)));
    return {interpolate(first, base.first, slope.first, power.first),
            interpolate(second, base.second, slope.second, power.second)};
  }

 private:
  __m256i distance(const int32_t* scores, __m256i largest) const {
    const __m256i low = _mm256_srl_epi32(_mm256_sub_epi32(largest, load(scores)), right_);
    const __m256i high = _mm256_srl_epi32(_mm256_sub_epi32(largest, load(scores + 8)), right_);
    const __m256i shorts = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0b11011000);
    return _mm256_mulhi_epu16(_mm256_sll_epi16(_mm256_min_epu16(shorts, limit_), left_), multiplier_);
  }
  // There is no shift by lane: a >> n = (2a * 2^(15-n)) >> 16. For n >= 15 both are 0, as a < 2^15.
  static __m256i interpolate(__m256i distance, __m256i base, __m256i slope, __m256i power) {
    const __m256i a = _mm256_sub_epi16(base, _mm256_mulhrs_epi16(slope, _mm256_slli_epi16(distance, 9)));
    return _mm256_mulhi_epu16(_mm256_add_epi16(a, a), power);
  }
  __m256i multiplier_;
  __m128i right_, left_;
  __m256i limit_;
};

void put(int16_t* to, Step values) {
  put(to, values.first);
  put(to + 16, values.second);
}

// Exponentials of one row, 0 for the keys that it does not see; their sum, with that of softmax-1's key of score 0.
uint32_t find_exponentials(const Exponential& exponential, bool softmax1, const Scratch& scratch, const Block& block,
                           int row) {
  const int visible = block.visible[row];
  ptrdiff_t index = row * kStepKeys;
  const int32_t largest_seen = find_largest(scratch.scores + index, visible);
  const __m256i largest = _mm256_set1_epi32(softmax1 && largest_seen < 0 ? 0 : largest_seen);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  for (int key = 0; key < block.most_visible; key += kStepKeys, index += kBlockRows * kStepKeys) {
    Step e = exponential(scratch.scores + index, largest);
    e.first = _mm256_and_si256(e.first, lanes_below_16(key, visible));
    e.second = _mm256_and_si256(e.second, lanes_below_16(key + 16, visible));
    put(scratch.exponentials + index, e);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(e.first, ones));
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(e.second, ones));
  }
  const int32_t zeros[kStepKeys] = {};
  const int32_t more = softmax1 ? _mm256_extract_epi16(exponential(zeros, largest).first, 0) : 0;
  return static_cast<uint32_t>(sum_of_lanes(sum) + more);
}

// probability = code(exponential) for one row; their sum.
template <class Code>
uint32_t find_codes(const Scratch& scratch, const Block& block, int row, Code code) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum = _mm256_setzero_si256();
  ptrdiff_t index = row * kStepKeys;
  for (int key = 0; key < block.most_visible; key += kStepKeys, index += kBlockRows * kStepKeys) {
    const int16_t* e = scratch.exponentials + index;
    const Step codes = {code(load(e)), code(load(e + 16))};
    put(scratch.probabilities + index, codes);
    sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(codes.first, codes.second), ones));
  }
  return static_cast<uint32_t>(sum_of_lanes(sum));
}

// (5 a) The largest probability is always 255; the row's multiplier divides by their sum.
void find_probabilities(const AttentionConstants& constants, const Scratch& scratch, Block* block, int row) {
  const uint32_t sum =
      find_codes(scratch, *block, row, [](__m256i e) { return _mm256_mulhrs_epi16(e, _mm256_set1_epi16(255)); });
  const int bits = bit_length(sum);
  block->multiplier[row] = static_cast<int32_t>((static_cast<uint64_t>(constants.multiplier) << (bits - 1)) / sum);
  block->shift[row] = constants.shift + bits - 1;
}

// (5 e) Exponentials are the probabilities; the row's multiplier divides by their sum.
void find_wide_probabilities(const AttentionConstants& constants, uint32_t sum, Block* block, int row) {
  const int bits = bit_length(sum);
  block->multiplier[row] = static_cast<int32_t>((static_cast<uint64_t>(constants.multiplier) << (bits - 1)) / sum);
  block->shift[row] = constants.shift + bits - 9;
}

// A part, in Q31, of the row's sum.
uint64_t part_of(uint32_t sum, uint32_t part) { return (uint64_t{sum} * part + (1u << 30)) >> 31; }

// A bound on 16-bit values that are at most 32767, in all lanes.
__m256i bound(uint64_t value) { return _mm256_set1_epi16(static_cast<int16_t>(value < 32767 ? value : 32767)); }

// (5 b, c) Clipped: what is above the threshold, in units of its largest value in this row.
void find_clipped_probabilities(const AttentionConstants& constants, const Scratch& scratch, uint32_t sum, Block* block,
                                int row) {
  const uint64_t threshold = part_of(sum, static_cast<uint32_t>(constants.theta)), cap = part_of(sum, constants.cap);
  const uint64_t range = threshold < 32766 ? 32767 - threshold : 1;
  const uint32_t smaller = static_cast<uint32_t>(range < cap ? range : cap), top = smaller < 1 ? 1 : smaller;
  const int bits = bit_length(top), sum_bits = bit_length(sum);
  const uint32_t normalized = top << (15 - bits);

  const __m256i thresholds = bound(threshold), prunes = bound(part_of(sum, constants.prune));
  const __m256i tops = _mm256_set1_epi16(static_cast<int16_t>(top));
  const __m256i inverses = _mm256_set1_epi16(static_cast<int16_t>((255u << 22) / normalized));
  const __m128i normalize = _mm_cvtsi32_si128(15 - bits);
  find_codes(scratch, *block, row, [&](__m256i e) {
    const __m256i capped = _mm256_min_epu16(_mm256_subs_epu16(e, thresholds), tops);
    const __m256i kept = _mm256_sll_epi16(_mm256_and_si256(capped, _mm256_cmpgt_epi16(capped, prunes)), normalize);
    return _mm256_srli_epi16(_mm256_add_epi16(_mm256_mulhi_epu16(kept, inverses), _mm256_set1_epi16(32)), 6);
  });
  const uint64_t numerator = (static_cast<uint64_t>(constants.multiplier) * normalized) << (sum_bits - 15);
  block->multiplier[row] = static_cast<int32_t>(numerator / (2 * uint64_t{sum}));
  block->shift[row] = constants.shift + sum_bits - bits - 1;
}

// (5 d) The level of each, in units of the row's highest one.
void find_levels(const AttentionConstants& constants, const Scratch& scratch, uint32_t sum, Block* block, int row) {
  const AttentionLevels& levels = *constants.levels;
  const uint64_t threshold = part_of(sum, static_cast<uint32_t>(constants.theta));
  __m256i edges[kMostLevels], codes[kMostLevels];
  int top = 0;
  for (int level = 0; level < levels.count; ++level) {
    const uint64_t edge = part_of(sum, levels.edge[level]);
    if (threshold + edge < 32767) top = level;
    edges[level] = bound(edge);
  }
  for (int level = 0; level <= top; ++level) codes[level] = _mm256_set1_epi16(levels.code[top - level]);
  const __m256i thresholds = bound(threshold);
  find_codes(scratch, *block, row, [&](__m256i e) {
    const __m256i above = _mm256_subs_epu16(e, thresholds);
    __m256i code = _mm256_setzero_si256();
    for (int level = 0; level <= top; ++level) {
      code = _mm256_blendv_epi8(code, codes[level], _mm256_cmpgt_epi16(above, edges[level]));
    }
    return code;
  });
  block->multiplier[row] = levels.multiplier[top];
  block->shift[row] = levels.shift[top];
}

void apply_gate(const Attention& attention, Block* block) {
  if (attention.gate == nullptr) return;
  for (int i = 0; i < block->rows; ++i) {
    const int64_t gate = sigmoid(attention.gate[(block->first + i) * attention.gate_stride]);
    block->multiplier[i] = static_cast<int32_t>((block->multiplier[i] * gate + (1 << 14)) >> 15);
  }
}

void find_row(const AttentionConstants& constants, const Scratch& scratch, Block* block, int row) {
  const uint32_t sum = find_exponentials(Exponential(constants), constants.softmax1, scratch, *block, row);
  if (constants.levels != nullptr) {
    find_levels(constants, scratch, sum, block, row);
  } else if (constants.clipped) {
    find_clipped_probabilities(constants, scratch, sum, block, row);
  } else if (constants.wide) {
    find_wide_probabilities(constants, sum, block, row);
  } else {
    find_probabilities(constants, scratch, block, row);
  }
}

}  // namespace
}  // namespace octavo::kernels
