// Attention of few queries with 256-bit registers, a step of decoding: keys and values are read as they lie, once,
// since packing them would cost more than it saves; and threads can share a head, each with some of its keys.
#pragma once

#include "kernels/attention/context_256.h"
#include "kernels/attention/one_split.h"
#include "kernels/attention/softmax_256.h"

namespace octavo::kernels {
namespace {

// Scores of one query with eight keys: the sums of 16 columns at a time, added up across lanes at the end.
__m256i compute_eight_scores(const Attention& attention, const int16_t* query, int key) {
  const int head_size = attention.constants->head_size;
  __m256i sum[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    const int8_t* k = attention.k + least(key + i, attention.length - 1) * attention.key_stride;
    sum[i] = _mm256_setzero_si256();
    for (int d = 0; d < head_size; d += 16) {
      const __m256i columns = _mm256_cvtepi8_epi16(load_columns(k + d, head_size - d));
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(columns, load(query + d)));
    }
  }
  const __m256i first = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[0], sum[1]), _mm256_hadd_epi32(sum[2], sum[3]));
  const __m256i second = _mm256_hadd_epi32(_mm256_hadd_epi32(sum[4], sum[5]), _mm256_hadd_epi32(sum[6], sum[7]));
  return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20),
                          _mm256_permute2x128_si256(first, second, 0x31));
}

// What the splits of a call of few queries have in common lies where the packed keys and values of others do.
struct Shared {
  explicit Shared(const Scratch& scratch)
      : columns(scratch.columns),
        sums(reinterpret_cast<int32_t*>(scratch.keys)),
        by(reinterpret_cast<RowMultipliers<kBlockRows>*>(scratch.values)) {}
  // Of 16 columns from `column` on.
  void put_sum(int split, int row, int column, const U16Sum& sum) const {
    int32_t* to = at(split, row, column);
    put(to, sum.high.left);
    put(to + 8, sum.high.right);
    put(to + columns, sum.low.left);
    put(to + columns + 8, sum.low.right);
  }
  U16Sum sum(int split, int row, int column) const {
    const int32_t* from = at(split, row, column);
    return {{load(from), load(from + 8)}, {load(from + columns), load(from + columns + 8)}};
  }
  int32_t* at(int split, int row, int column) const {
    return sums + (ptrdiff_t{split} * kDecodeQueries + row) * 2 * columns + column;
  }
  int columns;
  int32_t* sums;  // [splits][queries][high, low][columns]
  RowMultipliers<kBlockRows>* by;
};

// One row's scores from keys first .. end - 1 as they lie.
void compute_scores_of_row(const Attention& attention, const Scratch& scratch, const Block& block, int row, int first,
                           int end) {
  const AttentionConstants& constants = *attention.constants;
  alignas(32) int16_t query[kMostDepth + 16] = {};
  const uint8_t* q = attention.q + (block.first + row) * attention.stride;
  for (int d = 0; d < constants.head_size; ++d) query[d] = static_cast<int16_t>(q[d] - constants.query_zero_point);
  int32_t* scores = scratch.scores + row * kStepKeys + ptrdiff_t{first} * kBlockRows;
  for (int key = first; key < end; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    for (int i = 0; i < kStepKeys; i += 8) put(scores + i, compute_eight_scores(attention, query, key + i));
    add_bias(attention, block.first + row, key, key + 1, scores);
  }
}

// The products of one row's probabilities with 16 columns of values as they lie, over a run of keys.
Row compute_products_of_row(const Attention& attention, const int16_t* p, Block::Run run, int column) {
  const int count = attention.constants->head_size - column;
  Row sum = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (int key = run.begin; key < run.end; key += 2) {
    const int8_t* v = attention.v + key * attention.key_stride + column;
    const __m128i a = load_columns(v, count),
                  b = load_columns(key + 1 < attention.length ? v + attention.key_stride : v, count);
    const __m256i pair = broadcast_pair(p + key / kStepKeys * kBlockRows * kStepKeys + key % kStepKeys);
    sum.left = _mm256_add_epi32(sum.left, _mm256_madd_epi16(pair, _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b))));
    sum.right = _mm256_add_epi32(sum.right, _mm256_madd_epi16(pair, _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b))));
  }
  return sum;
}

// The same of keys first .. end - 1, whatever the probabilities.
U16Sum compute_sum_of_row(const Attention& attention, const Scratch& scratch, int row, int first, int end, int column) {
  U16Sum sum;
  if (!attention.constants->u16_probabilities) {
    sum.high = compute_products_of_row(attention, scratch.probabilities + row * kStepKeys, {first, end}, column);
    return sum;
  }
  for (int begin = first; begin < end; begin += kU16Keys) {
    const Block::Run part = {begin, least(begin + kU16Keys, end)};
    sum.add_part(compute_products_of_row(attention, scratch.exponentials + row * kStepKeys, part, column));
  }
  return sum;
}

void attention_split(const Attention& attention, const AttentionSplit& split) {
  const AttentionConstants& constants = *attention.constants;
  const Scratch scratch(attention);
  const Shared shared(scratch);
  Block block(attention, attention.first_query, attention.queries);
  const int first = split.first_key, end = least(first + split.keys, block.most_visible);
  switch (split.phase) {
    case AttentionSplit::scores:
      for (int row = 0; row < block.rows; ++row) compute_scores_of_row(attention, scratch, block, row, first, end);
      break;
    case AttentionSplit::probabilities:
      compute_rows(attention, scratch, block.rows, &block);
      *shared.by = block.by;
      break;
    case AttentionSplit::sums:
      for (int row = 0; row < block.rows; ++row) {
        for (int column = 0; column < constants.head_size; column += 16) {
          shared.put_sum(split.split, row, column, compute_sum_of_row(attention, scratch, row, first, end, column));
        }
      }
      break;
    case AttentionSplit::context:
      block.by = *shared.by;
      for (int row = 0; row < block.rows; ++row) {
        for (int column = 0; column < constants.head_size; column += 16) {
          U16Sum total;
          for (int part = 0; part < split.splits; ++part) {
            const U16Sum sum = shared.sum(part, row, column);
            total.high = add(total.high, sum.high);
            total.low = add(total.low, sum.low);
          }
          store_context(attention, block, row, column, total.total());
        }
      }
      break;
  }
}

}  // namespace
}  // namespace octavo::kernels
