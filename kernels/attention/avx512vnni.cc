// Attention with 512-bit registers: both products on vpdpbusd.
//
// Keys and values of the head are packed once a call so that a register holds 16 keys (16 columns of V) by four steps
// of depth (four keys). A block of eight queries then takes whole rows through three steps that communicate through
// scratch in the L1 cache: scores and their maximum, probabilities and the row's multiplier, context. A step of keys is
// 32 keys of the block's rows, stored together.
#include "kernels/attention/decode_512.h"

namespace octavo::kernels {
namespace {

constexpr int kMostRuns = 65536 / kChunkKeys / 2;

// Packed operands and the rows of a block.
struct Scratch {
  explicit Scratch(const Attention& attention) {
    const ptrdiff_t head_size = attention.constants->head_size, columns = (head_size + 15) / 16 * 16;
    const ptrdiff_t chunks = (attention.length + kChunkKeys - 1) / kChunkKeys, padded_keys = chunks * kChunkKeys;
    packed.keys = static_cast<int8_t*>(attention.scratch);
    packed.values = packed.keys + padded_keys * columns;
    packed.key_bias = reinterpret_cast<int32_t*>(packed.values + padded_keys * columns);
    rows.scores = packed.key_bias + padded_keys;
    rows.exponentials = reinterpret_cast<int16_t*>(rows.scores + padded_keys * kBlockRows);
    rows.probabilities = reinterpret_cast<uint8_t*>(rows.exponentials + padded_keys * kBlockRows);
    rows.low_probabilities =
        reinterpret_cast<uint8_t*>(rows.exponentials);  // nothing else is there where they have 16 bits
  }
  Packed packed;
  Rows<kBlockRows> rows;
};

// The block's queries, [head_size / 64][8 rows][64]; a block of fewer rows repeats the last one.
struct Queries {
  Queries(const Attention& attention, const Block& block, int kernel_rows) {
    const int head_size = attention.constants->head_size;
    for (int i = 0; i < kernel_rows; ++i) {
      const uint8_t* from = attention.q + (block.first + least(i, block.rows - 1)) * attention.stride;
      for (int d = 0; d < head_size; d += kTileDepth) {
        const __mmask16 dwords = static_cast<__mmask16>(low_bits(least(16, (head_size - d) / 4)));
        _mm512_store_si512(codes + d * kBlockRows + i * kTileDepth, _mm512_maskz_loadu_epi32(dwords, from + d));
      }
    }
  }
  alignas(64) uint8_t codes[kBlockRows * kMostDepth];
};

// One step of depth: four bytes of each row by 16 * kVectors columns.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void multiply_four(const uint8_t* rows, const int8_t* columns,
                                                 __m512i (&sum)[kRows][kVectors]) {
  __m512i column[kVectors];
#pragma GCC unroll 2
  for (int j = 0; j < kVectors; ++j) column[j] = load(columns + 64 * j);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const __m512i four = broadcast_four(rows + i * kTileDepth);
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], four, column[j]);
  }
}

// sum += rows * columns over 16 * `chunks` bytes of rows [..][8 rows][64] and four times as many registers of columns,
// `stride` apart.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void multiply(const uint8_t* rows, int chunks, const int8_t* columns, ptrdiff_t stride,
                                            __m512i (&sum)[kRows][kVectors]) {
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const uint8_t* four = rows + chunk / 4 * (kBlockRows * kTileDepth) + chunk % 4 * 16;
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) multiply_four(four + 4 * k, columns + k * stride, sum);
    columns += 4 * stride;
  }
  // No code. The loop's sums end here, so that GCC 12 keeps each in one register; it copied them every time round.
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) __asm__("" : "+v"(sum[i][j]));
  }
}

// Keeps the scores of keys that a row does not see from being its largest; their exponentials are masked later.
template <int kRows>
[[gnu::always_inline]] inline void hide_unseen(const Block& block, int key, __m512i (&sum)[kRows][2]) {
  const __m512i hidden = _mm512_set1_epi32(INT32_MIN);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const uint32_t seen = low_bits(block.visible[i] - key);
    sum[i][0] = _mm512_mask_mov_epi32(hidden, static_cast<__mmask16>(seen), sum[i][0]);
    sum[i][1] = _mm512_mask_mov_epi32(hidden, static_cast<__mmask16>(seen >> 16), sum[i][1]);
  }
}

// Scores of the block's rows, and the largest that each row sees.
template <int kRows, bool kBias>
void compute_scores(const Attention& attention, const Scratch& scratch, const uint8_t* query, Block* block) {
  const int chunks = (attention.constants->head_size + 15) / 16;
  __m512i largest[kBlockRows];
#pragma GCC unroll 8
  for (int i = 0; i < kBlockRows; ++i) largest[i] = _mm512_set1_epi32(INT32_MIN);
  int32_t* scores = scratch.rows.scores;
  for (int key = 0; key < block->keys; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    __m512i sum[kRows][2];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      sum[i][0] = load(scratch.packed.key_bias + key);
      sum[i][1] = load(scratch.packed.key_bias + key + 16);
      if constexpr (kBias) {
        const int32_t* bias = bias_of(attention, block->first + least(i, block->rows - 1)) + key;
        sum[i][0] = add(sum[i][0], load(bias));
        sum[i][1] = add(sum[i][1], load(bias + 16));
      }
    }
    multiply(query, chunks, scratch.packed.keys + static_cast<ptrdiff_t>(key) * 16 * chunks, 4 * kStepKeys, sum);
    if (key + kStepKeys > block->visible[0]) hide_unseen(*block, key, sum);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      _mm512_storeu_si512(scores + i * kStepKeys, sum[i][0]);
      _mm512_storeu_si512(scores + i * kStepKeys + 16, sum[i][1]);
      largest[i] = _mm512_max_epi32(largest[i], _mm512_max_epi32(sum[i][0], sum[i][1]));
    }
  }
  combine_lanes(largest, block->largest, [](__m512i a, __m512i b) { return _mm512_max_epi32(a, b); });
}

// Whether no row of the block has a probability in a chunk.
bool is_empty(const Block& block, const uint8_t* chunk) {
  __m512i all = _mm512_setzero_si512();
  for (int row = 0; row < block.rows; ++row) all = _mm512_or_si512(all, load(chunk + row * kChunkKeys));
  return _mm512_test_epi32_mask(all, all) == 0;
}

// The keys that have a probability, as runs of keys begin .. end - 1.
struct Runs {
  Runs(const Block& block, bool clipped, const Rows<kBlockRows>& rows) {
    run[0] = {0, block.keys};
    count = 1;
    if (!clipped) return;
    count = 0;
    for (int begin = 0; begin < block.keys; begin += kChunkKeys) {
      const int end = least(begin + kChunkKeys, block.keys);
      if (is_empty(block, rows.probability(begin / kChunkKeys, 0))) continue;
      if (count > 0 && run[count - 1].end == begin) {
        run[count - 1].end = end;
      } else {
        run[count++] = {begin, end};
      }
    }
  }
  struct Run {
    int begin, end;
  };
  Run run[kMostRuns];
  int count;
};

// Columns column .. column + 16 * kVectors - 1 of the context of the block's rows.
template <int kRows, int kVectors>
void compute_context(const Attention& attention, const Scratch& scratch, const Block& block, const Runs& runs,
                     int column) {
  const int head_size = attention.constants->head_size, group_bytes = (head_size + 15) / 16 * 64;
  __m512i sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = _mm512_setzero_si512();
  }
  if (attention.constants->u16_probabilities) {
    multiply(scratch.rows.low_probabilities, (block.keys + 15) / 16, scratch.packed.values + column * 4, group_bytes,
             sum);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j)
        sum[i][j] = _mm512_srai_epi32(_mm512_add_epi32(sum[i][j], _mm512_set1_epi32(128)), 8);
    }
  }
  for (int run = 0; run < runs.count; ++run) {
    const auto [begin, end] = runs.run[run];
    const uint8_t* probabilities = scratch.rows.probabilities + static_cast<ptrdiff_t>(begin) * kBlockRows;
    const int8_t* values = scratch.packed.values + column * 4 + static_cast<ptrdiff_t>(begin / 4) * group_bytes;
    multiply(probabilities, (end - begin + 15) / 16, values, group_bytes, sum);
  }
  const int count = least(16 * kVectors, head_size - column);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i += 2) {
    store_two(attention, block, i, column, count, {sum[i][0], sum[i][kVectors - 1]},
              {sum[i + 1][0], sum[i + 1][kVectors - 1]});
  }
}

template <int kRows>
void attend(const Attention& attention, const Scratch& scratch, int first, int rows) {
  const AttentionConstants& constants = *attention.constants;
  Block block(attention, first, rows);
  const Queries queries(attention, block, kRows);
  if (attention.bias != nullptr)
    compute_scores<kRows, true>(attention, scratch, queries.codes, &block);
  else
    compute_scores<kRows, false>(attention, scratch, queries.codes, &block);
  compute_probabilities(attention, scratch.rows, &block);
  const Runs runs(block, constants.clipped, scratch.rows);
  int column = 0;
  for (; column + 16 < constants.head_size; column += 32)
    compute_context<kRows, 2>(attention, scratch, block, runs, column);
  if (column < constants.head_size) compute_context<kRows, 1>(attention, scratch, block, runs, column);
}

void attention(const Attention& attention) {
  if (attention.queries <= kDecodeQueries) return attend_as_one_split(attention, attention_split);
  const Scratch scratch(attention);
  const int end = attention.first_query + attention.queries;
  const int visible = attention.constants->causal ? attention.past + end : attention.length;
  pack_keys(attention, visible, scratch.packed);
  pack_values(attention, visible, scratch.packed);
  int first = attention.first_query;
  for (; end - first > kBlockRows / 2; first += kBlockRows) {
    attend<kBlockRows>(attention, scratch, first, least(kBlockRows, end - first));
  }
  if (first < end) attend<kBlockRows / 2>(attention, scratch, first, end - first);
}

}  // namespace

void install_attention_avx512vnni(KernelTable& table);
void install_attention_avx512vnni(KernelTable& table) {
  table.attention = attention;
  table.attention_split = attention_split;
}

}  // namespace octavo::kernels
