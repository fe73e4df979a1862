// The softmax of the 256-bit attention kernel, on 32 scores at a time in 16-bit lanes: from scores to probabilities and
// to the row's multiplier, which carries their sum, clipping and the gate (5, 6).
#pragma once

#include "kernels/attention/blocks_256.h"
#include "kernels/attention/row_constants.h"

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

constexpr Table kBaseBytes = table_of(kExpBase), kSlopeBytes = table_of(kExpSlope);

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

// Adds the bias to the scores of one query with keys first .. end - 1 and those that fill the last step of 32; `scores`
// are those of the first.
void add_bias(const Attention& attention, int query, int first, int end, int32_t* scores) {
  if (attention.bias == nullptr) return;
  const int32_t* bias = bias_of(attention, query);
  for (int key = first; key < end; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    for (int i = 0; i < kStepKeys; i += 8) put(scores + i, _mm256_add_epi32(load(scores + i), load(bias + key + i)));
  }
}

// The largest of one row's scores that it sees.
int32_t compute_largest(const int32_t* scores, int visible) {
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
    const Step base = look_up(kBaseBytes, cell, upper), slope = look_up(kSlopeBytes, cell, upper);
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

// Exponentials of one row, 0 for the keys that it does not see.
RowExponentials compute_exponentials(const Attention& attention, const Exponential& exponential, const Scratch& scratch,
                                     const Block& block, int row) {
  const int visible = block.visible[row];
  ptrdiff_t index = row * kStepKeys;
  const int32_t seen = compute_largest(scratch.scores + index, visible);
  const int32_t sink = attention.sink != nullptr ? *attention.sink : seen;
  const __m256i largest = _mm256_set1_epi32(sink > seen ? sink : seen);
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
  const auto total = static_cast<uint32_t>(sum_of_lanes(sum));
  if (attention.sink == nullptr) return {total, 32767};
  const int32_t scores[kStepKeys] = {sink, seen}, least_top = attention.constants->least_top;
  const __m256i both = exponential(scores, largest).first;
  const int32_t top = _mm256_extract_epi16(both, 1);
  return {total + static_cast<uint32_t>(_mm256_extract_epi16(both, 0)), top > least_top ? top : least_top};
}

// probability = code(exponential) for one row; their sum.
template <class Code>
uint32_t compute_codes(const Scratch& scratch, const Block& block, int row, Code code) {
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

// (5 a) The largest probability is always 255.
RowMultiplier compute_probabilities(const AttentionConstants& constants, const Scratch& scratch, const Block& block,
                                    int row) {
  const auto code = [](__m256i e) { return _mm256_mulhrs_epi16(e, _mm256_set1_epi16(255)); };
  return divided_by_sum(constants, compute_codes(scratch, block, row, code));
}

// (5 b, c) Clipped: what is above the threshold, in units of its largest value in this row.
RowMultiplier compute_clipped_probabilities(const AttentionConstants& constants, const Scratch& scratch,
                                            const RowExponentials& exponentials, const Block& block, int row) {
  const Clip clip(constants, exponentials);
  const __m256i thresholds = _mm256_set1_epi16(static_cast<int16_t>(clip.threshold)),
                prunes = _mm256_set1_epi16(static_cast<int16_t>(clip.prune));
  const __m256i tops = _mm256_set1_epi16(static_cast<int16_t>(clip.top));
  const __m256i inverses = _mm256_set1_epi16(static_cast<int16_t>(clip.inverse));
  const __m128i normalize = _mm_cvtsi32_si128(clip.normalize);
  compute_codes(scratch, block, row, [&](__m256i e) {
    const __m256i capped = _mm256_min_epu16(_mm256_subs_epu16(e, thresholds), tops);
    const __m256i kept = _mm256_sll_epi16(_mm256_and_si256(capped, _mm256_cmpgt_epi16(capped, prunes)), normalize);
    return _mm256_srli_epi16(_mm256_add_epi16(_mm256_mulhi_epu16(kept, inverses), _mm256_set1_epi16(32)), 6);
  });
  return clip.by;
}

// (5 d) The level of each, in units of the row's highest one.
RowMultiplier compute_levels(const AttentionConstants& constants, const Scratch& scratch,
                             const RowExponentials& exponentials, const Block& block, int row) {
  const RowLevels levels(constants, exponentials);
  __m256i edges[kMostLevels], codes[kMostLevels];
  for (int level = 0; level <= levels.top; ++level) {
    edges[level] = _mm256_set1_epi16(static_cast<int16_t>(levels.edge[level]));
    codes[level] = _mm256_set1_epi16(static_cast<int16_t>(levels.code[level]));
  }
  const __m256i thresholds = _mm256_set1_epi16(static_cast<int16_t>(levels.threshold));
  compute_codes(scratch, block, row, [&](__m256i e) {
    const __m256i above = _mm256_subs_epu16(e, thresholds);
    __m256i code = _mm256_setzero_si256();
    for (int level = 0; level <= levels.top; ++level) {
      code = _mm256_blendv_epi8(code, codes[level], _mm256_cmpgt_epi16(above, edges[level]));
    }
    return code;
  });
  return levels.by;
}

RowMultiplier compute_row(const Attention& attention, const Scratch& scratch, const Block& block, int row) {
  const AttentionConstants& constants = *attention.constants;
  const RowExponentials made = compute_exponentials(attention, Exponential(constants), scratch, block, row);
  if (constants.levels != nullptr) return compute_levels(constants, scratch, made, block, row);
  if (constants.clipped) return compute_clipped_probabilities(constants, scratch, made, block, row);
  if (constants.u16_probabilities)
    return u16_divided_by_sum(constants, made.sum);  // exponentials are the probabilities
  return compute_probabilities(constants, scratch, block, row);
}

// Probabilities of the block's first rows from their scores, and the multipliers of their contexts.
void compute_rows(const Attention& attention, const Scratch& scratch, int rows, Block* block) {
  for (int row = 0; row < rows; ++row) block->by.set(row, compute_row(attention, scratch, *block, row));
  apply_gates(attention, block->first, block->rows, block->by.multiplier);
}

}  // namespace
}  // namespace octavo::kernels
