// The softmax of the 512-bit attention kernels, on 32 scores at a time in 16-bit lanes: from scores to probabilities
// and to the row's multiplier, which carries their sum, clipping and the gate (5, 6).
#pragma once

#include "kernels/attention/blocks_512.h"
#include "kernels/attention/row_constants.h"

namespace octavo::kernels {
namespace {

// The key, counted from the step's first, of each 16-bit lane after vpackusdw of 32 scores.
alignas(64) constexpr int16_t kKeyOfLane[32] = {
    0, 1, 2,  3,  16, 17, 18, 19, 4,  5,  6,  7,  20, 21, 22, 23,
    8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31,
};

// Where the softmax of a block of eight rows finds scores, and puts what it makes of them. kTogether rows lie together,
// of which these may be some.
template <int kTogether>
struct Rows {
  int32_t* score(int step, int row) const { return scores + (ptrdiff_t{step} * kTogether + row) * kStepKeys; }
  int16_t* exponential(int step, int row) const {
    return exponentials + (ptrdiff_t{step} * kBlockRows + row) * kStepKeys;
  }
  uint8_t* probability(int chunk, int row) const {
    return probabilities + (ptrdiff_t{chunk} * kTogether + row) * kChunkKeys;
  }
  uint8_t* low_probability(int chunk, int row) const {
    return low_probabilities + (probability(chunk, row) - probabilities);
  }
  int32_t* scores;             // [steps][kTogether][32]
  int16_t* exponentials;       // [steps][8 rows][32], in lane order
  uint8_t* probabilities;      // [chunks][kTogether][64]; 0 behind the block's keys
  uint8_t* low_probabilities;  // of 16-bit ones, whose high bytes are the others
};

// out[i] = all lanes of rows[i] combined, by a tree that halves the number of registers at each level.
template <class Combine>
void combine_lanes(const __m512i (&rows)[kBlockRows], int32_t* out, Combine combine) {
  __m512i pair[4], four[2];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    pair[i] = combine(_mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]),
                      _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    four[i] = combine(_mm512_unpacklo_epi64(pair[2 * i], pair[2 * i + 1]),
                      _mm512_unpackhi_epi64(pair[2 * i], pair[2 * i + 1]));
  }
  const __m512i eight =
      combine(_mm512_shuffle_i64x2(four[0], four[1], 0b01000100), _mm512_shuffle_i64x2(four[0], four[1], 0b11101110));
  const __m512i all = combine(eight, _mm512_shuffle_i64x2(eight, eight, 0b10110001));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm512_castsi512_si128(all));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 4), _mm512_extracti32x4_epi32(all, 2));
}

// 2^-distance of 32 scores from the row's largest, Q15, in lane order. A score is scaled by 2^-shift to 16 bits; where
// that is a left shift, a difference that saturates becomes 65536 - 2^-shift instead of 65535, and its power is 0
// either way.
template <bool kLeftShift>
class Exponential {
 public:
  explicit Exponential(const AttentionConstants& constants)
      : multiplier_(_mm512_set1_epi16(static_cast<int16_t>(constants.score_multiplier))),
        right_(_mm512_set1_epi32(kLeftShift ? 0 : constants.score_shift)),
        left_(_mm512_set1_epi16(static_cast<int16_t>(kLeftShift ? -constants.score_shift : 0))),
        limit_(_mm512_srlv_epi16(_mm512_set1_epi16(-1), left_)),
        base_(load(kExpBase)),
        slope_(load(kExpSlope)) {}
  __m512i operator()(const int32_t* scores, __m512i largest) const {
    __m512i scaled = _mm512_packus_epi32(difference(largest, load(scores)), difference(largest, load(scores + 16)));
    if constexpr (kLeftShift) scaled = _mm512_sllv_epi16(_mm512_min_epu16(scaled, limit_), left_);
    const __m512i distance = _mm512_mulhi_epu16(scaled, multiplier_);
    const __m512i cell = _mm512_srli_epi16(distance, 6), within = _mm512_slli_epi16(distance, 9);
    const __m512i fall = _mm512_mulhrs_epi16(_mm512_permutexvar_epi16(cell, slope_), within);
    const __m512i power = _mm512_sub_epi16(_mm512_permutexvar_epi16(cell, base_), fall);
    return _mm512_srlv_epi16(power, _mm512_srli_epi16(distance, 11));
  }

 private:
  __m512i difference(__m512i largest, __m512i score) const {
    const __m512i difference = _mm512_sub_epi32(largest, score);
    return kLeftShift ? difference : _mm512_srlv_epi32(difference, right_);
  }
  __m512i multiplier_, right_, left_, limit_, base_, slope_;
};

// The 16-bit lanes of the keys of a step that the row sees.
__mmask32 seen_keys(const Block& block, int row, int step) {
  const int seen = least(at_least_zero(block.visible[row] - step * kStepKeys), kStepKeys);
  return _mm512_cmplt_epi16_mask(load(kKeyOfLane), _mm512_set1_epi16(static_cast<int16_t>(seen)));
}

// Calls put(chunk, first, second) for the chunks of one row, with what codes(step, seen) makes of their two steps, or 0
// behind the block's keys. Steps that only longer rows of the block see come with an empty mask. The lanes of a step
// are in the order of vpackusdw.
template <class Codes, class Put>
void for_each_chunk(const Block& block, int row, Codes codes, Put put) {
  int step = 0;
  for (; (step + 2) * kStepKeys <= block.visible[row]; step += 2) put(step / 2, codes(step, ~0u), codes(step + 1, ~0u));
  for (; step * kStepKeys < block.keys; step += 2) {
    const __m512i first = codes(step, seen_keys(block, row, step));
    const bool both = (step + 1) * kStepKeys < block.keys;
    put(step / 2, first, both ? codes(step + 1, seen_keys(block, row, step + 1)) : _mm512_setzero_si512());
  }
}

__m512i add(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }

// (5 a) The largest probability is always 255; the row's multiplier divides by their sum.
template <bool kLeftShift, class Rows>
void compute_plain_probabilities(const AttentionConstants& constants, const Rows& rows, Block* block) {
  const Exponential<kLeftShift> exponential(constants);
  __m512i sum[kBlockRows];
  for (int row = 0; row < kBlockRows; ++row) sum[row] = _mm512_setzero_si512();
  for (int row = 0; row < block->rows; ++row) {
    const __m512i largest = _mm512_set1_epi32(block->largest[row]);
    __m512i row_sum = _mm512_setzero_si512();
    const auto codes = [&](int step, __mmask32 seen) {
      return _mm512_maskz_mulhrs_epi16(seen, exponential(rows.score(step, row), largest), _mm512_set1_epi16(255));
    };
    for_each_chunk(*block, row, codes, [&](int chunk, __m512i first, __m512i second) {
      const __m512i bytes = to_u8(first, second);
      _mm512_storeu_si512(rows.probability(chunk, row), bytes);
      row_sum = _mm512_dpbusd_epi32(row_sum, bytes, _mm512_set1_epi8(1));
    });
    sum[row] = row_sum;
  }
  combine_lanes(sum, block->sum, add);
  for (int row = 0; row < block->rows; ++row) {
    block->by.set(row, divided_by_sum(constants, static_cast<uint32_t>(block->sum[row])));
  }
}

// (5 e) Exponentials are the probabilities, in high and low bytes; the row's multiplier divides by their sum.
template <bool kLeftShift, class Rows>
void compute_u16_probabilities(const AttentionConstants& constants, const Rows& rows, Block* block) {
  const Exponential<kLeftShift> exponential(constants);
  __m512i sum[kBlockRows];
  for (int row = 0; row < kBlockRows; ++row) sum[row] = _mm512_setzero_si512();
  for (int row = 0; row < block->rows; ++row) {
    const __m512i largest = _mm512_set1_epi32(block->largest[row]);
    const __m512i ones = _mm512_set1_epi16(1), low = _mm512_set1_epi16(255);
    __m512i row_sum = _mm512_setzero_si512();
    const auto codes = [&](int step, __mmask32 seen) {
      return _mm512_maskz_mov_epi16(seen, exponential(rows.score(step, row), largest));
    };
    for_each_chunk(*block, row, codes, [&](int chunk, __m512i first, __m512i second) {
      const __m512i high_bytes = to_u8(_mm512_srli_epi16(first, 8), _mm512_srli_epi16(second, 8));
      const __m512i low_bytes = to_u8(_mm512_and_si512(first, low), _mm512_and_si512(second, low));
      _mm512_storeu_si512(rows.probability(chunk, row), high_bytes);
      _mm512_storeu_si512(rows.low_probability(chunk, row), low_bytes);
      row_sum = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(row_sum, first, ones), second, ones);
    });
    sum[row] = row_sum;
  }
  combine_lanes(sum, block->sum, add);
  for (int row = 0; row < block->rows; ++row) {
    block->by.set(row, u16_divided_by_sum(constants, static_cast<uint32_t>(block->sum[row])));
  }
}

// (5 b, c) What is above the threshold, in units of its largest value in this row.
template <class Rows>
void compute_clipped_row(const AttentionConstants& constants, const Rows& rows, const RowExponentials& exponentials,
                         Block* block, int row) {
  const Clip clip(constants, exponentials);
  const __m512i threshold = _mm512_set1_epi16(static_cast<int16_t>(clip.threshold)),
                prune = _mm512_set1_epi16(static_cast<int16_t>(clip.prune));
  const __m512i top = _mm512_set1_epi16(static_cast<int16_t>(clip.top));
  const __m512i normalize = _mm512_set1_epi16(static_cast<int16_t>(clip.normalize));
  const __m512i inverse = _mm512_set1_epi16(static_cast<int16_t>(clip.inverse));
  const auto codes = [&](int step, __mmask32) {
    const __m512i above = _mm512_subs_epu16(load(rows.exponential(step, row)), threshold);
    const __m512i capped = _mm512_min_epu16(above, top);
    const __m512i kept = _mm512_maskz_sllv_epi16(_mm512_cmpgt_epi16_mask(capped, prune), capped, normalize);
    const __m512i scaled = _mm512_add_epi16(_mm512_mulhi_epu16(kept, inverse), _mm512_set1_epi16(32));
    return _mm512_srli_epi16(scaled, 6);
  };
  for_each_chunk(*block, row, codes, [&](int chunk, __m512i first, __m512i second) {
    _mm512_storeu_si512(rows.probability(chunk, row), to_u8(first, second));
  });
  block->by.set(row, clip.by);
}

// (5 d) The level of each, in units of the row's highest one.
template <class Rows>
void compute_level_row(const AttentionConstants& constants, const Rows& rows, const RowExponentials& exponentials,
                       Block* block, int row) {
  const RowLevels levels(constants, exponentials);
  __m512i edges[kMostLevels], codes[kMostLevels];
  for (int level = 0; level <= levels.top; ++level) {
    edges[level] = _mm512_set1_epi16(static_cast<int16_t>(levels.edge[level]));
    codes[level] = _mm512_set1_epi16(static_cast<int16_t>(levels.code[level]));
  }
  const __m512i thresholds = _mm512_set1_epi16(static_cast<int16_t>(levels.threshold));
  const auto code_of = [&](int step, __mmask32) {
    const __m512i above = _mm512_subs_epu16(load(rows.exponential(step, row)), thresholds);
    __m512i code = _mm512_setzero_si512();
    for (int level = 0; level <= levels.top; ++level) {
      code = _mm512_mask_mov_epi16(code, _mm512_cmpgt_epi16_mask(above, edges[level]), codes[level]);
    }
    return code;
  };
  for_each_chunk(*block, row, code_of, [&](int chunk, __m512i first, __m512i second) {
    _mm512_storeu_si512(rows.probability(chunk, row), to_u8(first, second));
  });
  block->by.set(row, levels.by);
}

// (5 c) What a sink makes of a row: its largest score, the exponential of the sink, and what codes are relative to.
struct WithSink {
  template <bool kLeftShift>
  WithSink(const Attention& attention, const Exponential<kLeftShift>& exponential, int32_t seen) : largest(seen) {
    if (attention.sink == nullptr) return;
    const int32_t sink = *attention.sink, scores[kStepKeys] = {sink, seen};
    if (sink > seen) largest = sink;
    const __m128i both = _mm512_castsi512_si128(exponential(scores, _mm512_set1_epi32(largest)));
    more = _mm_extract_epi16(both, 0);
    top = _mm_extract_epi16(both, 1);
    if (top < attention.constants->least_top) top = attention.constants->least_top;
  }
  int32_t largest, more = 0, top = 32767;
};

template <bool kLeftShift, class Rows>
void compute_clipped_probabilities(const Attention& attention, const Rows& rows, Block* block) {
  const AttentionConstants& constants = *attention.constants;
  const Exponential<kLeftShift> exponential(constants);
  int32_t more[kBlockRows] = {}, top[kBlockRows] = {};
  __m512i sum[kBlockRows];
  for (int row = 0; row < kBlockRows; ++row) sum[row] = _mm512_setzero_si512();
  for (int row = 0; row < block->rows; ++row) {
    const WithSink with_sink(attention, exponential, block->largest[row]);
    more[row] = with_sink.more;
    top[row] = with_sink.top;
    const __m512i largest = _mm512_set1_epi32(with_sink.largest);
    __m512i row_sum = _mm512_setzero_si512();
    for (int step = 0; step * kStepKeys < block->keys; ++step) {
      const __m512i e =
          _mm512_maskz_mov_epi16(seen_keys(*block, row, step), exponential(rows.score(step, row), largest));
      _mm512_storeu_si512(rows.exponential(step, row), e);
      row_sum = _mm512_dpwssd_epi32(row_sum, e, _mm512_set1_epi16(1));
    }
    sum[row] = row_sum;
  }
  combine_lanes(sum, block->sum, add);
  for (int row = 0; row < block->rows; ++row) {
    const RowExponentials exponentials = {static_cast<uint32_t>(block->sum[row] + more[row]), top[row]};
    if (constants.levels != nullptr) {
      compute_level_row(constants, rows, exponentials, block, row);
    } else {
      compute_clipped_row(constants, rows, exponentials, block, row);
    }
  }
}

template <bool kLeftShift, class Rows>
void compute_probabilities_of(const Attention& attention, const Rows& rows, Block* block) {
  const AttentionConstants& constants = *attention.constants;
  if (constants.clipped)
    compute_clipped_probabilities<kLeftShift>(attention, rows, block);
  else if (constants.u16_probabilities)
    compute_u16_probabilities<kLeftShift>(constants, rows, block);
  else
    compute_plain_probabilities<kLeftShift>(constants, rows, block);
}

// From scores, and the largest of each row, probabilities and the multipliers of contexts.
template <class Rows>
void compute_probabilities(const Attention& attention, const Rows& rows, Block* block) {
  if (attention.constants->score_shift < 0)
    compute_probabilities_of<true>(attention, rows, block);
  else
    compute_probabilities_of<false>(attention, rows, block);
  apply_gates(attention, block->first, block->rows, block->by.multiplier);
}

}  // namespace
}  // namespace octavo::kernels
