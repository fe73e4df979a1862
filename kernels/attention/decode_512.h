// Attention of few queries with 512-bit registers, a step of decoding: keys and values are read as they lie, once,
// since packing them would cost more than it saves; and threads can share a head, each with some of its keys.
#pragma once

#include "kernels/attention/context_512.h"
#include "kernels/attention/one_split.h"
#include "kernels/attention/softmax_512.h"

namespace octavo::kernels {
namespace {

// What the splits of a call have in common.
struct Shared {
  explicit Shared(const Attention& attention) {
    const ptrdiff_t chunks = (attention.length + kChunkKeys - 1) / kChunkKeys, keys = chunks * kChunkKeys;
    columns = (attention.constants->head_size + kTileDepth - 1) / kTileDepth * kTileDepth;
    sums = static_cast<int32_t*>(attention.scratch);
    rows.scores = sums + chunks * kDecodeQueries * 2 * columns;
    rows.exponentials = reinterpret_cast<int16_t*>(rows.scores + keys * kBlockRows);
    rows.probabilities = reinterpret_cast<uint8_t*>(rows.exponentials + keys * kBlockRows);
    rows.low_probabilities =
        reinterpret_cast<uint8_t*>(rows.exponentials);  // nothing else is there where they have 16 bits
    by = reinterpret_cast<RowMultipliers<kBlockRows>*>(rows.probabilities + keys * kBlockRows);
  }
  // Of 64 columns from `column` on, of high bytes or (1) low ones.
  int32_t* sum(int split, int row, int low, int column) const {
    return sums + ((ptrdiff_t{split} * kDecodeQueries + row) * 2 + low) * columns + column;
  }
  ptrdiff_t columns;  // head_size rounded up to 64
  int32_t* sums;      // [splits][queries][2][columns]
  Rows<kBlockRows> rows;
  RowMultipliers<kBlockRows>* by;
};

__mmask16 dwords_from(int column, int head_size) {
  return static_cast<__mmask16>(low_bits(least(16, (head_size - column) / 4)));
}

// Scores of one query with keys first .. end - 1: products of 64 columns of one key at a time, added up across lanes
// for eight keys.
void compute_scores_of_row(const Attention& attention, const Shared& shared, int row, int first, int end) {
  const int head_size = attention.constants->head_size;
  const uint8_t* q = attention.q + (attention.first_query + row) * attention.stride;
  const __m512i zero_point = _mm512_set1_epi8(static_cast<int8_t>(attention.constants->query_zero_point));
  for (int key = first; key < end; key += 8) {
    __m512i sum[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) {
      const int8_t* k = attention.k + least(key + i, attention.length - 1) * attention.key_stride;
      __m512i products = _mm512_setzero_si512(), offset = _mm512_setzero_si512();
      for (int d = 0; d < head_size; d += kTileDepth) {
        const __m512i columns = _mm512_maskz_loadu_epi32(dwords_from(d, head_size), k + d);
        products = _mm512_dpbusd_epi32(products, _mm512_maskz_loadu_epi32(dwords_from(d, head_size), q + d), columns);
        offset = _mm512_dpbusd_epi32(offset, zero_point, columns);
      }
      sum[i] = _mm512_sub_epi32(products, offset);
    }
    int32_t* scores = shared.rows.score(key / kStepKeys, row) + key % kStepKeys;
    combine_lanes(sum, scores, add);
    if (attention.bias == nullptr) continue;
    const int32_t* bias = bias_of(attention, attention.first_query + row) + key;
    const auto eight = [](const int32_t* from) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)); };
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(scores), _mm256_add_epi32(eight(scores), eight(bias)));
  }
}

int32_t compute_largest_of_row(const Block& block, const Shared& shared, int row) {
  __m512i largest = _mm512_set1_epi32(INT32_MIN);
  for (int step = 0; step * kStepKeys < block.visible[row]; ++step) {
    const int32_t* score = shared.rows.score(step, row);
    const uint32_t seen = low_bits(block.visible[row] - step * kStepKeys);
    largest = _mm512_mask_max_epi32(largest, static_cast<__mmask16>(seen), largest, load(score));
    largest = _mm512_mask_max_epi32(largest, static_cast<__mmask16>(seen >> 16), largest, load(score + 16));
  }
  return _mm512_reduce_max_epi32(largest);
}

// Four keys' bytes of each of 64 columns side by side: register j holds columns 16 l + 4 j .. + 3 in its 128-bit lane
// l.
struct FourKeys {
  FourKeys(const Attention& attention, int key, int column) {
    const __mmask16 dwords = dwords_from(column, attention.constants->head_size);
    __m512i row[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const int8_t* v = attention.v + least(key + i, attention.length - 1) * attention.key_stride + column;
      row[i] = _mm512_maskz_loadu_epi32(dwords, v);
    }
    const __m512i low_01 = _mm512_unpacklo_epi8(row[0], row[1]), high_01 = _mm512_unpackhi_epi8(row[0], row[1]);
    const __m512i low_23 = _mm512_unpacklo_epi8(row[2], row[3]), high_23 = _mm512_unpackhi_epi8(row[2], row[3]);
    at[0] = _mm512_unpacklo_epi16(low_01, low_23);
    at[1] = _mm512_unpackhi_epi16(low_01, low_23);
    at[2] = _mm512_unpacklo_epi16(high_01, high_23);
    at[3] = _mm512_unpackhi_epi16(high_01, high_23);
  }
  __m512i at[4];
};

// Sums in the order of FourKeys to column order.
void store_sums(const __m512i (&sum)[4], int32_t* to) {
  const __m512i a = _mm512_shuffle_i32x4(sum[0], sum[1], 0x44), b = _mm512_shuffle_i32x4(sum[2], sum[3], 0x44);
  const __m512i c = _mm512_shuffle_i32x4(sum[0], sum[1], 0xee), d = _mm512_shuffle_i32x4(sum[2], sum[3], 0xee);
  _mm512_storeu_si512(to, _mm512_shuffle_i32x4(a, b, 0x88));
  _mm512_storeu_si512(to + 16, _mm512_shuffle_i32x4(a, b, 0xdd));
  _mm512_storeu_si512(to + 32, _mm512_shuffle_i32x4(c, d, 0x88));
  _mm512_storeu_si512(to + 48, _mm512_shuffle_i32x4(c, d, 0xdd));
}

// The products of one row's probabilities with 64 columns of values, over keys first .. end - 1.
void compute_sums(const Attention& attention, const Shared& shared, int row, int split, int first, int end,
                  int column) {
  const bool u16 = attention.constants->u16_probabilities;
  __m512i high[4], low[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) high[j] = low[j] = _mm512_setzero_si512();
  for (int key = first; key < end; key += 4) {
    const FourKeys values(attention, key, column);
    const int chunk = key / kChunkKeys, at = key % kChunkKeys;
    const __m512i p = broadcast_four(shared.rows.probability(chunk, row) + at);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) high[j] = _mm512_dpbusd_epi32(high[j], p, values.at[j]);
    if (!u16) continue;
    const __m512i l = broadcast_four(shared.rows.low_probability(chunk, row) + at);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) low[j] = _mm512_dpbusd_epi32(low[j], l, values.at[j]);
  }
  store_sums(high, shared.sum(split, row, 0, column));
  store_sums(low, shared.sum(split, row, 1, column));
}

// 16 columns of one row, of all splits.
__m512i total(const Shared& shared, int splits, int row, int column) {
  __m512i high = _mm512_setzero_si512(), low = _mm512_set1_epi32(128);
  for (int split = 0; split < splits; ++split) {
    high = _mm512_add_epi32(high, load(shared.sum(split, row, 0, column)));
    low = _mm512_add_epi32(low, load(shared.sum(split, row, 1, column)));
  }
  return _mm512_add_epi32(high, _mm512_srai_epi32(low, 8));
}

void store_context(const Attention& attention, const Shared& shared, const Block& block, int splits) {
  const int head_size = attention.constants->head_size, last = block.rows - 1;
  for (int column = 0; column < head_size; column += 32) {
    store_two(attention, block, 0, column, least(32, head_size - column),
              {total(shared, splits, 0, column), total(shared, splits, 0, column + 16)},
              {total(shared, splits, last, column), total(shared, splits, last, column + 16)});
  }
}

void attention_split(const Attention& attention, const AttentionSplit& split) {
  const Shared shared(attention);
  Block block(attention, attention.first_query, attention.queries);
  switch (split.phase) {
    case AttentionSplit::scores:
      for (int row = 0; row < block.rows; ++row) {
        compute_scores_of_row(attention, shared, row, split.first_key, least(split.first_key + split.keys, block.keys));
      }
      break;
    case AttentionSplit::probabilities:
      for (int row = 0; row < block.rows; ++row) block.largest[row] = compute_largest_of_row(block, shared, row);
      compute_probabilities(attention, shared.rows, &block);
      *shared.by = block.by;
      break;
    case AttentionSplit::sums:
      for (int row = 0; row < block.rows; ++row) {
        for (int column = 0; column < attention.constants->head_size; column += kTileDepth) {
          compute_sums(attention, shared, row, split.split, split.first_key,
                       least(split.first_key + split.keys, block.keys), column);
        }
      }
      break;
    case AttentionSplit::context:
      block.by = *shared.by;
      store_context(attention, shared, block, split.splits);
      break;
  }
}

}  // namespace
}  // namespace octavo::kernels
