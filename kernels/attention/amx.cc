// Attention on AMX tiles.
//
// Keys and values are packed as for vpdpbusd, whose operands are rows of tiles. A block of 16 queries takes whole rows
// through scores, probabilities and context, which lie in scratch in the L1 cache between the tiles, which multiply,
// and the vector units, which do the rest for eight rows at a time.
#include "kernels/attention/decode_512.h"
#include "kernels/tiles.h"

namespace octavo::kernels {
namespace {

constexpr ptrdiff_t kChunkBytes = ptrdiff_t{kTileRows} * kChunkKeys;
constexpr int kMostColumnTiles = 4;

int round_up(int value, int step) { return (value + step - 1) / step * step; }

// Packed operands and the rows of a block. Tiles reach beyond the keys and the depth that there are, within scratch:
// there the other operand is 0.
struct Scratch {
  explicit Scratch(const Attention& attention) {
    const ptrdiff_t columns = round_up(attention.constants->head_size, 16),
                    keys = round_up(attention.length, kChunkKeys);
    packed.keys = static_cast<int8_t*>(attention.scratch);
    packed.values = packed.keys + keys * columns;
    packed.key_bias = reinterpret_cast<int32_t*>(packed.values + keys * columns);
    rows.scores = packed.key_bias + keys;
    rows.exponentials = reinterpret_cast<int16_t*>(rows.scores + keys * kTileRows);
    rows.probabilities = reinterpret_cast<uint8_t*>(rows.exponentials + keys * kBlockRows);
    rows.low_probabilities =
        reinterpret_cast<uint8_t*>(rows.exponentials);  // nothing else is there where they have 16 bits
  }
  using BlockRows = Rows<kTileRows>;
  // Those of the block's rows from `first` on.
  BlockRows from(int first) const {
    return {rows.score(0, first), rows.exponentials, rows.probability(0, first), rows.low_probability(0, first)};
  }
  Packed packed;
  BlockRows rows;
};

// Queries first .. first + rows - 1 of a block, [head_size / 64][16 rows][64]; 0 where there are none.
struct Queries {
  Queries(const Attention& attention, int first, int rows) {
    const int head_size = attention.constants->head_size;
    for (int d = 0; d < head_size; d += kTileDepth) {
      const __mmask16 dwords = static_cast<__mmask16>(low_bits(least(16, (head_size - d) / 4)));
      for (int i = 0; i < kTileRows; ++i) {
        const uint8_t* from = attention.q + (first + least(i, rows - 1)) * attention.stride + d;
        _mm512_store_si512(codes + d * kTileRows + i * kTileDepth,
                           _mm512_maskz_loadu_epi32(i < rows ? dwords : 0, from));
      }
    }
  }
  alignas(64) uint8_t codes[kTileRows * kMostDepth];
};

// Scores of the block's queries with keys 0 .. keys - 1 and those that fill the last step.
void compute_scores(int head_size, const Scratch& scratch, const Queries& queries, int keys) {
  constexpr ptrdiff_t kKeyRow = 4 * kStepKeys, kScoreRow = sizeof(int32_t) * kStepKeys;
  const int step_bytes = round_up(head_size, 16) * kStepKeys;
  const int8_t* k = scratch.packed.keys;
  load_tile<4>(queries.codes, kTileDepth);
  for (int step = 0; step * kStepKeys < keys; ++step, k += step_bytes) {
    const int32_t* bias = scratch.packed.key_bias + step * kStepKeys;
    load_tile<0>(bias, 0);
    load_tile<1>(bias + 16, 0);
    for (int d = 0; d < head_size; d += kTileDepth) {
      const int8_t* tile = k + d * kStepKeys;
      if (head_size > kTileDepth) load_tile<4>(queries.codes + d * kTileRows, kTileDepth);
      load_tile<5>(tile, kKeyRow);
      load_tile<6>(tile + kKeyRow / 2, kKeyRow);
      multiply_tiles<0, 4, 5>();
      multiply_tiles<1, 4, 6>();
    }
    store_tile<0>(scratch.rows.score(step, 0), kScoreRow);
    store_tile<1>(scratch.rows.score(step, 0) + 16, kScoreRow);
  }
}

// Adds the bias to the scores of the block's rows.
void add_bias(const Attention& attention, const Scratch::BlockRows& rows, const Block& block) {
  for (int i = 0; i < block.rows; ++i) {
    const int32_t* bias = bias_of(attention, block.first + i);
    for (int step = 0; step * kStepKeys < block.keys; ++step, bias += kStepKeys) {
      int32_t* score = rows.score(step, i);
      _mm512_storeu_si512(score, add(load(score), load(bias)));
      _mm512_storeu_si512(score + 16, add(load(score + 16), load(bias + 16)));
    }
  }
}

// The largest score that each row sees.
void compute_largest(const Scratch::BlockRows& rows, Block* block) {
  const __m512i lowest = _mm512_set1_epi32(INT32_MIN);
  __m512i largest[kBlockRows];
#pragma GCC unroll 8
  for (int i = 0; i < kBlockRows; ++i) largest[i] = lowest;
  int step = 0;
  for (; (step + 1) * kStepKeys <= block->visible[0]; ++step) {
#pragma GCC unroll 8
    for (int i = 0; i < kBlockRows; ++i) {
      const int32_t* score = rows.score(step, i);
      largest[i] = _mm512_max_epi32(largest[i], _mm512_max_epi32(load(score), load(score + 16)));
    }
  }
  for (; step * kStepKeys < block->visible[kBlockRows - 1]; ++step) {
#pragma GCC unroll 8
    for (int i = 0; i < kBlockRows; ++i) {
      const int32_t* score = rows.score(step, i);
      const uint32_t seen = low_bits(block->visible[i] - step * kStepKeys);
      largest[i] = _mm512_mask_max_epi32(largest[i], static_cast<__mmask16>(seen), largest[i], load(score));
      largest[i] = _mm512_mask_max_epi32(largest[i], static_cast<__mmask16>(seen >> 16), largest[i], load(score + 16));
    }
  }
  combine_lanes(largest, block->largest, [](__m512i a, __m512i b) { return _mm512_max_epi32(a, b); });
}

// Whether none of the first rows has a probability in a chunk.
bool is_empty(const uint8_t* chunk, int rows) {
  __m512i all = _mm512_setzero_si512();
  for (int i = 0; i < rows; ++i) all = _mm512_or_si512(all, load(chunk + i * kChunkKeys));
  return _mm512_test_epi32_mask(all, all) == 0;
}

// The sums of up to 64 columns of the context.
struct alignas(64) Sums {
  int32_t row[kTileRows][kMostColumnTiles * 16];
};

// sums = probabilities * 16 * kColumnTiles columns of V. Chunks in which none of the first `sparse_rows` has a
// probability are skipped, with 0 none.
template <int kColumnTiles>
void multiply_values(const uint8_t* probabilities, int keys, int sparse_rows, const int8_t* values,
                     ptrdiff_t group_bytes, Sums* sums) {
  zero_tile<0>();
  zero_tile<1>();
  zero_tile<2>();
  zero_tile<3>();
  for (int key = 0; key < keys; key += kChunkKeys, probabilities += kChunkBytes, values += 16 * group_bytes) {
    if (sparse_rows > 0 && is_empty(probabilities, sparse_rows)) continue;
    load_tile<4>(probabilities, kChunkKeys);
    load_tile<5>(values, group_bytes);
    multiply_tiles<0, 4, 5>();
    if constexpr (kColumnTiles > 1) {
      load_tile<6>(values + 64, group_bytes);
      multiply_tiles<1, 4, 6>();
    }
    if constexpr (kColumnTiles > 2) {
      load_tile<5>(values + 128, group_bytes);
      multiply_tiles<2, 4, 5>();
    }
    if constexpr (kColumnTiles > 3) {
      load_tile<6>(values + 192, group_bytes);
      multiply_tiles<3, 4, 6>();
    }
  }
  constexpr ptrdiff_t kSumRow = sizeof sums->row[0];
  store_tile<0>(sums->row[0], kSumRow);
  if constexpr (kColumnTiles > 1) store_tile<1>(sums->row[0] + 16, kSumRow);
  if constexpr (kColumnTiles > 2) store_tile<2>(sums->row[0] + 32, kSumRow);
  if constexpr (kColumnTiles > 3) store_tile<3>(sums->row[0] + 48, kSumRow);
}

// Of 16-bit probabilities: high + (low + 128) / 256.
void add_low(const Sums& low, Sums* sums) {
  for (int i = 0; i < kTileRows; ++i) {
    for (int j = 0; j < kMostColumnTiles * 16; j += 16) {
      const __m512i share = _mm512_srai_epi32(_mm512_add_epi32(load(low.row[i] + j), _mm512_set1_epi32(128)), 8);
      _mm512_store_si512(sums->row[i] + j, _mm512_add_epi32(load(sums->row[i] + j), share));
    }
  }
}

// Columns column .. column + 16 * kColumnTiles - 1 of the context of 16 queries, which are two blocks of eight.
template <int kColumnTiles>
void compute_context(const Attention& attention, const Scratch& scratch, const Block (&blocks)[2], int column) {
  const AttentionConstants& constants = *attention.constants;
  const ptrdiff_t group_bytes = round_up(constants.head_size, 16) * 4;
  const int8_t* values = scratch.packed.values + column * 4;
  const int keys = blocks[0].keys, sparse_rows = constants.clipped ? blocks[0].rows + blocks[1].rows : 0;
  Sums sums;
  multiply_values<kColumnTiles>(scratch.rows.probabilities, keys, sparse_rows, values, group_bytes, &sums);
  if (constants.u16_probabilities) {
    Sums low;
    multiply_values<kColumnTiles>(scratch.rows.low_probabilities, keys, 0, values, group_bytes, &low);
    add_low(low, &sums);
  }
  const int columns = least(16 * kColumnTiles, constants.head_size - column);
  for (const Block& block : blocks) {
    const auto* row = sums.row + (&block - blocks) * kBlockRows;
    for (int i = 0; i < block.rows; i += 2) {
      for (int j = 0; j < columns; j += 32) {
        store_two(attention, block, i, column + j, least(32, columns - j), {load(row[i] + j), load(row[i] + j + 16)},
                  {load(row[i + 1] + j), load(row[i + 1] + j + 16)});
      }
    }
  }
}

// Queries first .. first + rows - 1, up to 16.
void attend(const Attention& attention, const Scratch& scratch, int first, int rows) {
  const AttentionConstants& constants = *attention.constants;
  Block blocks[2] = {Block(attention, first, least(rows, kBlockRows)),
                     Block(attention, first + least(rows - 1, kBlockRows), at_least_zero(rows - kBlockRows))};
  blocks[0].keys = blocks[1].keys;
  compute_scores(constants.head_size, scratch, Queries(attention, first, rows), blocks[0].keys);
  for (Block& block : blocks) {
    if (block.rows == 0) continue;
    const Scratch::BlockRows its = scratch.from(block.first - first);
    if (attention.bias != nullptr) add_bias(attention, its, block);
    compute_largest(its, &block);
    compute_probabilities(attention, its, &block);
  }
  int column = 0;
  for (; constants.head_size - column > 48; column += 64) compute_context<4>(attention, scratch, blocks, column);
  switch ((constants.head_size - column + 15) / 16) {
    case 3:
      compute_context<3>(attention, scratch, blocks, column);
      break;
    case 2:
      compute_context<2>(attention, scratch, blocks, column);
      break;
    case 1:
      compute_context<1>(attention, scratch, blocks, column);
      break;
    default:
      break;
  }
}

void attention(const Attention& attention) {
  if (attention.queries <= kDecodeQueries) return attend_as_one_split(attention, attention_split);
  const Tiles tiles;
  const Scratch scratch(attention);
  const int end = attention.first_query + attention.queries;
  const int visible = attention.constants->causal ? attention.past + end : attention.length;
  pack_keys(attention, visible, scratch.packed);
  pack_values(attention, visible, scratch.packed);
  for (int first = attention.first_query; first < end; first += kTileRows) {
    attend(attention, scratch, first, least(kTileRows, end - first));
  }
}

}  // namespace

void install_attention_amx(KernelTable& table);
void install_attention_amx(KernelTable& table) {
  table.attention = attention;
  table.attention_split = attention_split;
}

}  // namespace octavo::kernels
