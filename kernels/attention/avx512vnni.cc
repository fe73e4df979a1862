// Attention with 512-bit registers: both products on vpdpbusd, the softmax on 32 scores at a time in 16-bit lanes.
//
// Keys and values of the head are packed once a call so that a register holds 16 keys (16 columns of V) by four steps
// of depth (four keys). A block of eight queries then takes whole rows through three steps that communicate through
// scratch in the L1 cache: scores and their maximum, probabilities and the row's multiplier, context. A step of keys is
// 32 keys of the block's rows, stored together.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC 12's own AVX-512 headers raise both without cause
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include "kernels.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 8;
constexpr int kStepKeys = 32;
constexpr int kMostDepth = 256;
constexpr int kRunKeys = 64;  // keys that are skipped together
constexpr int kMostRuns = 65536 / kRunKeys / 2;

// 2^-x in 32 cells c: T[c] - mulhrs(D[c], within << 9), T = round(2^15 * 2^(-c / 32)), D[c] = T[c] - T[c + 1]. In an
// odd cell, bit 15 of u << 9 is the cell's lowest bit and takes away 2^15 of the factor, so D[c] of the product: kBase
// has T[c + 1] there, and `u << 9` needs no mask.
alignas(64) constexpr int16_t kBase[32] = {
    32767, 31379, 31379, 30048, 30048, 28774, 28774, 27554, 27554, 26386, 26386, 25268, 25268, 24196, 24196, 23170,
    23170, 22188, 22188, 21247, 21247, 20347, 20347, 19484, 19484, 18658, 18658, 17867, 17867, 17109, 17109, 16384,
};
alignas(64) constexpr int16_t kSlope[32] = {
    701, 687, 673, 658, 643, 631, 616, 604, 590, 578, 565, 553, 542, 530, 518, 508,
    496, 486, 475, 466, 455, 445, 436, 427, 418, 408, 400, 391, 383, 375, 366, 359,
};

// round(2^15 * sigmoid(i / 8)), constant from i = 64 on.
constexpr int32_t kSigmoid[66] = {
    16384, 17407, 18421, 19420, 20397, 21344, 22255, 23127, 23955, 24737, 25471,  //
    26155, 26790, 27377, 27917, 28411, 28862, 29272, 29644, 29979, 30282, 30555,  //
    30799, 31018, 31214, 31389, 31545, 31684, 31807, 31917, 32015, 32102, 32179,  //
    32247, 32307, 32361, 32408, 32450, 32487, 32520, 32549, 32574, 32597, 32617,  //
    32635, 32650, 32664, 32676, 32687, 32696, 32705, 32712, 32719, 32725, 32730,  //
    32734, 32738, 32742, 32745, 32747, 32750, 32752, 32754, 32756, 32757, 32757,
};

// The key, counted from the step's first, of each 16-bit lane after vpackusdw of 32 scores.
alignas(64) constexpr int16_t kKeyOfLane[32] = {
    0, 1, 2,  3,  16, 17, 18, 19, 4,  5,  6,  7,  20, 21, 22, 23,
    8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31,
};

__m512i load(const void* from) { return _mm512_loadu_si512(from); }
__m512i broadcast_four(const uint8_t* from) {
  int32_t four;
  __builtin_memcpy(&four, from, 4);
  return _mm512_set1_epi32(four);
}
int least(int a, int b) { return a < b ? a : b; }
int at_least_zero(int a) { return a < 0 ? 0 : a; }
int bit_length(uint32_t value) { return 32 - __builtin_clz(value); }  // value > 0
uint32_t low_bits(int count) { return count <= 0 ? 0 : count >= 32 ? ~0u : (1u << count) - 1; }

// Packed operands and the rows of a block, all in scratch.
struct Scratch {
  explicit Scratch(const Attention& attention) {
    const ptrdiff_t head_size = attention.constants->head_size, columns = (head_size + 15) / 16 * 16;
    const ptrdiff_t steps = (attention.length + kStepKeys - 1) / kStepKeys, padded_keys = steps * kStepKeys;
    keys = static_cast<int8_t*>(attention.scratch);
    values = keys + padded_keys * columns;
    key_bias = reinterpret_cast<int32_t*>(values + padded_keys * columns);
    scores = key_bias + padded_keys;
    exponentials = reinterpret_cast<int16_t*>(scores + padded_keys * kBlockRows);
    probabilities = reinterpret_cast<uint8_t*>(exponentials + padded_keys * kBlockRows);
  }
  // Of wide probabilities, where `probabilities` holds the high bytes; nothing else uses the exponentials' place then.
  uint8_t* low_probabilities() const { return reinterpret_cast<uint8_t*>(exponentials); }
  int8_t* keys;            // [steps][depth / 4][32 keys][4], depth = head_size rounded up to 16
  int8_t* values;          // [keys / 4][head_size rounded up to 16][4 keys]
  int32_t* key_bias;       // [steps][32]: -query_zero_point * sum over d of k[key][d]
  int32_t* scores;         // [steps][8 rows][32]
  int16_t* exponentials;   // [steps][8 rows][32], in lane order
  uint8_t* probabilities;  // [steps][8 rows][32]
};

// Bytes 0 .. 15 (those that the mask, of dwords, selects; 0 for the others) of four rows. Rows beyond the sequence
// repeat its last one: no query sees them, their probability is 0.
__m512i four_rows(const Attention& attention, const int8_t* from, int row, int row_step, __mmask8 dwords) {
  __m128i lane[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i, row += row_step) {
    lane[i] = _mm_maskz_loadu_epi32(dwords, from + least(row, attention.length - 1) * attention.key_stride);
  }
  const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(lane[0]), lane[1], 1);
  const __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(lane[2]), lane[3], 1);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// 16 keys: of each 16 bytes of their rows four registers, each with one dword of every key.
void pack_sixteen_keys(const Attention& attention, int first, int8_t* out, int32_t* bias) {
  const int head_size = attention.constants->head_size;
  const __m512i zero_point = _mm512_set1_epi8(static_cast<int8_t>(attention.constants->query_zero_point));
  __m512i sum = _mm512_setzero_si512();
  for (int d = 0; d < head_size; d += 16) {
    const __mmask8 dwords = low_bits(least(4, (head_size - d) / 4));
    __m512i row[4];  // lane l of row[j]: key 4l + j
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      row[j] = four_rows(attention, attention.k + d, first + j, 4, dwords);
    }
    const __m512i even_low = _mm512_unpacklo_epi32(row[0], row[1]), even_high = _mm512_unpackhi_epi32(row[0], row[1]);
    const __m512i odd_low = _mm512_unpacklo_epi32(row[2], row[3]), odd_high = _mm512_unpackhi_epi32(row[2], row[3]);
    const __m512i packed[4] = {_mm512_unpacklo_epi64(even_low, odd_low), _mm512_unpackhi_epi64(even_low, odd_low),
                               _mm512_unpacklo_epi64(even_high, odd_high), _mm512_unpackhi_epi64(even_high, odd_high)};
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j, out += 4 * kStepKeys) {
      _mm512_storeu_si512(out, packed[j]);
      sum = _mm512_dpbusd_epi32(sum, zero_point, packed[j]);
    }
  }
  _mm512_storeu_si512(bias, _mm512_sub_epi32(_mm512_setzero_si512(), sum));
}

void pack_keys(const Attention& attention, int visible, const Scratch& to) {
  for (int key = 0; key < visible; key += kStepKeys) {
    int8_t* out = to.keys + static_cast<ptrdiff_t>(key) * ((attention.constants->head_size + 15) / 16 * 16);
    pack_sixteen_keys(attention, key, out, to.key_bias + key);
    pack_sixteen_keys(attention, key + 16, out + 64, to.key_bias + key + 16);
  }
}

void pack_values(const Attention& attention, int visible, const Scratch& to) {
  const int head_size = attention.constants->head_size;
  const __m512i dwords_together = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m512i bytes_together =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  int8_t* out = to.values;
  for (int key = 0; key < (visible + 15) / 16 * 16; key += 4) {
    for (int d = 0; d < head_size; d += 16, out += 64) {
      const __mmask8 dwords = low_bits(least(4, (head_size - d) / 4));
      const __m512i rows = four_rows(attention, attention.v + d, key, 1, dwords);
      const __m512i grouped = _mm512_permutexvar_epi32(dwords_together, rows);
      _mm512_storeu_si512(out, _mm512_shuffle_epi8(grouped, bytes_together));
    }
  }
}

// Queries first .. first + rows - 1. A block of fewer rows than its kernels take repeats the last one.
struct Block {
  Block(const Attention& attention, int first, int rows, int kernel_rows) : first(first), rows(rows) {
    const int head_size = attention.constants->head_size;
    for (int i = 0; i < kernel_rows; ++i) {
      const int row = first + least(i, rows - 1);
      visible[i] = attention.constants->causal ? attention.past + row + 1 : attention.length;
      for (int d = 0; d < head_size; d += kStepKeys) {
        const __mmask8 dwords = static_cast<__mmask8>(low_bits(least(8, (head_size - d) / 4)));
        const uint8_t* from = attention.q + row * attention.stride + d;
        const __m256i bytes = _mm256_maskz_loadu_epi32(dwords, from);
        _mm256_store_si256(reinterpret_cast<__m256i*>(query + d * kBlockRows + i * kStepKeys), bytes);
      }
    }
    most_visible = visible[kernel_rows - 1];
  }
  // Keys begin .. end - 1.
  struct Run {
    int begin, end;
  };
  int first, rows;
  int visible[kBlockRows];  // keys that the row sees, ascending
  int most_visible;
  Run runs[kMostRuns];  // the keys that have a probability
  int run_count;
  int32_t largest[kBlockRows];     // score of the row
  int32_t sum[kBlockRows];         // of its probabilities, or of its exponentials when clipped
  int32_t multiplier[kBlockRows];  // of its context
  int shift[kBlockRows];
  alignas(64) uint8_t query[kBlockRows * kMostDepth];  // [head_size / 32][8 rows][32]
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

// One step of depth: four bytes of each row by 16 * kVectors columns.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void multiply_four(const uint8_t* rows, const int8_t* columns,
                                                 __m512i (&sum)[kRows][kVectors]) {
  __m512i column[kVectors];
#pragma GCC unroll 2
  for (int j = 0; j < kVectors; ++j) column[j] = load(columns + 64 * j);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    const __m512i four = broadcast_four(rows + i * kStepKeys);
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = _mm512_dpbusd_epi32(sum[i][j], four, column[j]);
  }
}

// sum += rows * columns over 16 * `chunks` bytes of rows [..][8 rows][32] and four times as many registers of columns,
// `stride` apart.
template <int kRows, int kVectors>
[[gnu::always_inline]] inline void multiply(const uint8_t* rows, int chunks, const int8_t* columns, ptrdiff_t stride,
                                            __m512i (&sum)[kRows][kVectors]) {
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const uint8_t* four = rows + chunk / 2 * (kBlockRows * kStepKeys) + chunk % 2 * 16;
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
template <int kRows>
void find_scores(int head_size, const Scratch& scratch, Block* block) {
  const int chunks = (head_size + 15) / 16;
  __m512i largest[kBlockRows];
#pragma GCC unroll 8
  for (int i = 0; i < kBlockRows; ++i) largest[i] = _mm512_set1_epi32(INT32_MIN);
  int32_t* scores = scratch.scores;
  for (int key = 0; key < block->most_visible; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    __m512i sum[kRows][2];
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      sum[i][0] = load(scratch.key_bias + key);
      sum[i][1] = load(scratch.key_bias + key + 16);
    }
    multiply(block->query, chunks, scratch.keys + static_cast<ptrdiff_t>(key) * 16 * chunks, 4 * kStepKeys, sum);
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
        base_(load(kBase)),
        slope_(load(kSlope)) {}
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

// Calls step(index, mask) for the steps of 32 keys of one row; the mask has the 16-bit lanes of keys that the row sees.
// Steps that only longer rows of the block see come with an empty mask.
template <class Step>
void for_each_step(const Block& block, int row, Step step) {
  int key = 0;
  ptrdiff_t index = row * kStepKeys;
  for (; key + kStepKeys <= block.visible[row]; key += kStepKeys, index += kBlockRows * kStepKeys) step(index, ~0u);
  for (; key < block.most_visible; key += kStepKeys, index += kBlockRows * kStepKeys) {
    const __m512i left = _mm512_set1_epi16(static_cast<int16_t>(at_least_zero(block.visible[row] - key)));
    step(index, _mm512_cmplt_epi16_mask(load(kKeyOfLane), left));
  }
}

// 32 bytes from 16-bit lanes, to key order: vpackusdw left fours of keys in the order 0, 4, 1, 5, 2, 6, 3, 7.
__m256i to_bytes(__m512i lanes) {
  return _mm256_permutevar8x32_epi32(_mm512_cvtepi16_epi8(lanes), _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7));
}

__m512i add(__m512i a, __m512i b) { return _mm512_add_epi32(a, b); }

// (5 a) The largest probability is always 255; the row's multiplier divides by their sum.
template <int kRows, bool kLeftShift>
void find_probabilities(const AttentionConstants& constants, const Scratch& scratch, Block* block) {
  const Exponential<kLeftShift> exponential(constants);
  __m512i sum[kBlockRows];
  for (int row = 0; row < kBlockRows; ++row) sum[row] = _mm512_setzero_si512();
  for (int row = 0; row < kRows; ++row) {
    const __m512i largest = _mm512_set1_epi32(block->largest[row]);
    __m256i row_sum = _mm256_setzero_si256();
    for_each_step(*block, row, [&](ptrdiff_t index, __mmask32 seen) {
      const __m512i e = exponential(scratch.scores + index, largest);
      const __m256i bytes = to_bytes(_mm512_maskz_mulhrs_epi16(seen, e, _mm512_set1_epi16(255)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(scratch.probabilities + index), bytes);
      row_sum = _mm256_dpbusd_epi32(row_sum, bytes, _mm256_set1_epi8(1));
    });
    sum[row] = _mm512_zextsi256_si512(row_sum);
  }
  combine_lanes(sum, block->sum, add);
  for (int row = 0; row < kRows; ++row) {
    const uint32_t total = static_cast<uint32_t>(block->sum[row]);
    const int bits = bit_length(total);
    const uint64_t numerator = static_cast<uint64_t>(constants.multiplier) << (bits - 1);
    block->multiplier[row] = static_cast<int32_t>(numerator / total);
    block->shift[row] = constants.shift + bits - 1;
  }
}

// (5 e) Exponentials are the probabilities, in high and low bytes; the row's multiplier divides by their sum.
template <int kRows, bool kLeftShift>
void find_wide_probabilities(const AttentionConstants& constants, const Scratch& scratch, Block* block) {
  const Exponential<kLeftShift> exponential(constants);
  __m512i sum[kBlockRows];
  for (int row = 0; row < kBlockRows; ++row) sum[row] = _mm512_setzero_si512();
  for (int row = 0; row < kRows; ++row) {
    const __m512i largest = _mm512_set1_epi32(block->largest[row]);
    for_each_step(*block, row, [&](ptrdiff_t index, __mmask32 seen) {
      const __m512i e = _mm512_maskz_mov_epi16(seen, exponential(scratch.scores + index, largest));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(scratch.probabilities + index), to_bytes(_mm512_srli_epi16(e, 8)));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(scratch.low_probabilities() + index), to_bytes(e));
      sum[row] = _mm512_dpwssd_epi32(sum[row], e, _mm512_set1_epi16(1));
    });
  }
  combine_lanes(sum, block->sum, add);
  for (int row = 0; row < kRows; ++row) {
    const uint32_t total = static_cast<uint32_t>(block->sum[row]);
    const int bits = bit_length(total);
    block->multiplier[row] = static_cast<int32_t>((static_cast<uint64_t>(constants.multiplier) << (bits - 1)) / total);
    block->shift[row] = constants.shift + bits - 9;
  }
}

// A part, in Q31, of the row's sum.
uint64_t part_of(uint32_t sum, uint32_t part) { return (uint64_t{sum} * part + (1u << 30)) >> 31; }

// A bound on 16-bit values that are at most 32767, in all lanes.
__m512i bound(uint64_t value) { return _mm512_set1_epi16(static_cast<int16_t>(value < 32767 ? value : 32767)); }

// The row's constants of clipping (5 b).
struct Clip {
  Clip(const AttentionConstants& constants, uint32_t sum) {
    const uint64_t threshold = part_of(sum, static_cast<uint32_t>(constants.theta)), cap = part_of(sum, constants.cap);
    const uint64_t below = threshold < 32766 ? threshold : 32766;
    top = static_cast<uint16_t>(32767 - below < cap ? 32767 - below : cap);
    if (top < 1) top = 1;
    const int bits = bit_length(top), sum_bits = bit_length(sum);
    normalize = 15 - bits;
    const uint32_t normalized = static_cast<uint32_t>(top) << normalize;
    inverse = static_cast<uint16_t>((255u << 22) / normalized);
    const uint64_t numerator = (static_cast<uint64_t>(constants.multiplier) * normalized) << (sum_bits - 15);
    multiplier = static_cast<int32_t>(numerator / (2 * uint64_t{sum}));
    shift = constants.shift + sum_bits - bits - 1;
  }
  uint16_t top, inverse;
  int normalize;
  int32_t multiplier;
  int shift;
};

// (5 b, c) What is above the threshold, in units of its largest value in this row.
void find_clipped_row(const AttentionConstants& constants, const Scratch& scratch, Block* block, int row) {
  const uint32_t sum = static_cast<uint32_t>(block->sum[row]);
  const Clip clip(constants, sum);
  const __m512i threshold = bound(part_of(sum, static_cast<uint32_t>(constants.theta)));
  const __m512i prune = bound(part_of(sum, constants.prune));
  const __m512i top = _mm512_set1_epi16(static_cast<int16_t>(clip.top));
  const __m512i normalize = _mm512_set1_epi16(static_cast<int16_t>(clip.normalize));
  const __m512i inverse = _mm512_set1_epi16(static_cast<int16_t>(clip.inverse));
  for_each_step(*block, row, [&](ptrdiff_t index, __mmask32) {
    const __m512i above = _mm512_subs_epu16(load(scratch.exponentials + index), threshold);
    const __m512i capped = _mm512_min_epu16(above, top);
    const __m512i kept = _mm512_maskz_sllv_epi16(_mm512_cmpgt_epi16_mask(capped, prune), capped, normalize);
    const __m512i scaled = _mm512_add_epi16(_mm512_mulhi_epu16(kept, inverse), _mm512_set1_epi16(32));
    const __m256i bytes = to_bytes(_mm512_srli_epi16(scaled, 6));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(scratch.probabilities + index), bytes);
  });
  block->multiplier[row] = clip.multiplier;
  block->shift[row] = clip.shift;
}

// (5 d) The level of each, in units of the row's highest one.
void find_level_row(const AttentionConstants& constants, const Scratch& scratch, Block* block, int row) {
  const AttentionLevels& levels = *constants.levels;
  const uint32_t sum = static_cast<uint32_t>(block->sum[row]);
  const uint64_t threshold = part_of(sum, static_cast<uint32_t>(constants.theta));
  __m512i edges[kMostLevels], codes[kMostLevels];
  int top = 0;
  for (int level = 0; level < levels.count; ++level) {
    const uint64_t edge = part_of(sum, levels.edge[level]);
    if (threshold + edge < 32767) top = level;
    edges[level] = bound(edge);
  }
  for (int level = 0; level <= top; ++level) codes[level] = _mm512_set1_epi16(levels.code[top - level]);
  const __m512i thresholds = bound(threshold);
  for_each_step(*block, row, [&](ptrdiff_t index, __mmask32) {
    const __m512i above = _mm512_subs_epu16(load(scratch.exponentials + index), thresholds);
    __m512i code = _mm512_setzero_si512();
    for (int level = 0; level <= top; ++level) {
      code = _mm512_mask_mov_epi16(code, _mm512_cmpgt_epi16_mask(above, edges[level]), codes[level]);
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(scratch.probabilities + index), to_bytes(code));
  });
  block->multiplier[row] = levels.multiplier[top];
  block->shift[row] = levels.shift[top];
}

template <int kRows, bool kLeftShift>
void find_clipped_probabilities(const AttentionConstants& constants, const Scratch& scratch, Block* block) {
  const Exponential<kLeftShift> exponential(constants);
  const int32_t zeros[kStepKeys] = {};
  int32_t more[kBlockRows] = {};  // exponentials of softmax-1's key of score 0
  __m512i sum[kBlockRows];
  for (int row = 0; row < kBlockRows; ++row) sum[row] = _mm512_setzero_si512();
  for (int row = 0; row < kRows; ++row) {
    if (constants.softmax1 && block->largest[row] < 0) block->largest[row] = 0;
    const __m512i largest = _mm512_set1_epi32(block->largest[row]);
    if (constants.softmax1) more[row] = _mm_extract_epi16(_mm512_castsi512_si128(exponential(zeros, largest)), 0);
    __m512i row_sum = _mm512_setzero_si512();
    for_each_step(*block, row, [&](ptrdiff_t index, __mmask32 seen) {
      const __m512i e = _mm512_maskz_mov_epi16(seen, exponential(scratch.scores + index, largest));
      _mm512_storeu_si512(scratch.exponentials + index, e);
      row_sum = _mm512_dpwssd_epi32(row_sum, e, _mm512_set1_epi16(1));
    });
    sum[row] = row_sum;
  }
  combine_lanes(sum, block->sum, add);
  for (int row = 0; row < kRows; ++row) {
    block->sum[row] += more[row];
    if (constants.levels != nullptr) {
      find_level_row(constants, scratch, block, row);
    } else {
      find_clipped_row(constants, scratch, block, row);
    }
  }
}

// Whether no row has a probability in the steps of 32 keys from `begin` on that hold keys below `end`.
template <int kRows>
bool is_empty(const uint8_t* probabilities, int begin, int end) {
  __m256i all = _mm256_setzero_si256();
  for (int key = begin; key < end; key += kStepKeys) {
    const uint8_t* step = probabilities + static_cast<ptrdiff_t>(key) * kBlockRows;
    for (int row = 0; row < kRows; ++row) {
      all = _mm256_or_si256(all, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(step + row * kStepKeys)));
    }
  }
  return _mm256_testz_si256(all, all) != 0;
}

template <int kRows>
void find_runs(bool clipped, const Scratch& scratch, Block* block) {
  block->runs[0] = {0, block->most_visible};
  block->run_count = 1;
  if (!clipped) return;
  block->run_count = 0;
  for (int begin = 0; begin < block->most_visible; begin += kRunKeys) {
    const int end = least(begin + kRunKeys, block->most_visible);
    if (is_empty<kRows>(scratch.probabilities, begin, end)) continue;
    if (block->run_count > 0 && block->runs[block->run_count - 1].end == begin) {
      block->runs[block->run_count - 1].end = end;
    } else {
      block->runs[block->run_count++] = {begin, end};
    }
  }
}

// (6) Q15, by symmetry and 64 linear cells over [0, 8).
int32_t sigmoid(int32_t x) {
  const int32_t a = least(x < 0 ? -x : x, 16384), cell = a >> 8;
  const int32_t s = kSigmoid[cell] + (((kSigmoid[cell + 1] - kSigmoid[cell]) * (a & 255) + 128) >> 8);
  return x < 0 ? 32768 - s : s;
}

void apply_gate(const Attention& attention, Block* block) {
  if (attention.gate == nullptr) return;
  for (int i = 0; i < block->rows; ++i) {
    const int64_t gate = sigmoid(attention.gate[(block->first + i) * attention.gate_stride]);
    block->multiplier[i] = static_cast<int32_t>((block->multiplier[i] * gate + (1 << 14)) >> 15);
  }
}

// (sum * multiplier + 2^(shift-1)) >> shift by high halves of even and odd lanes, see kernels.h.
__m512i requantize(__m512i sum, __m512i multiplier, __m512i rounding, __m512i shift) {
  const __m512i even = _mm512_mul_epi32(sum, multiplier);
  const __m512i odd = _mm512_mul_epi32(_mm512_srli_epi64(sum, 32), multiplier);
  const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);
  return _mm512_srav_epi32(_mm512_add_epi32(high, rounding), shift);
}

// 32 columns of one row of the block, 16-bit values in the order that vpackssdw leaves.
__m512i context_row(const AttentionConstants& constants, const Block& block, int row, __m512i left, __m512i right) {
  const __m512i multiplier = _mm512_set1_epi32(block.multiplier[row]);
  const __m512i rounding = _mm512_set1_epi32(int32_t{1} << (block.shift[row] - 33));
  const __m512i shift = _mm512_set1_epi32(block.shift[row] - 32);
  const __m512i shorts =
      _mm512_packs_epi32(requantize(left, multiplier, rounding, shift), requantize(right, multiplier, rounding, shift));
  return _mm512_adds_epi16(shorts, _mm512_set1_epi16(static_cast<int16_t>(constants.zero_point)));
}

// Two rows of unsigned bytes in column order, the first in the low half.
__m512i to_bytes(__m512i first, __m512i second) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
}

// `count` columns of one row of the context. They may reach into the next 64-column chunk, which need not follow.
void store_columns(const ByteMatrix& out, ptrdiff_t row, int column, int count, __m256i bytes) {
  uint8_t* line = out.data + row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride;
  const int chunk = column / kTileDepth, room = kTileDepth - column % kTileDepth;
  uint8_t* to = line + chunk * out.chunk_stride + column % kTileDepth;
  if (count == 32 && room >= 32) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), bytes);
    return;
  }
  const __mmask32 all = low_bits(count), here = low_bits(least(count, room));
  _mm256_mask_storeu_epi8(to, here, bytes);
  if (room < count) _mm256_mask_storeu_epi8(line + (chunk + 1) * out.chunk_stride - room, all & ~here, bytes);
}

// The same of up to two rows of the head from `query` on.
void store_rows(const Attention& attention, const ByteMatrix& out, int query, int rows, int column, int count, __m512i bytes) {
  const ptrdiff_t row = attention.context_row + query;
  const int to = attention.context_column + column;
  if (rows > 0) store_columns(out, row, to, count, _mm512_castsi512_si256(bytes));
  if (rows > 1) store_columns(out, row + 1, to, count, _mm512_extracti64x4_epi64(bytes, 1));
}

__m512i eleven_bits(__m512i shorts) {
  return _mm512_min_epi16(_mm512_max_epi16(shorts, _mm512_setzero_si512()), _mm512_set1_epi16(2047));
}

// Columns column .. column + 16 * kVectors - 1 of the context of the block's rows.
template <int kRows, int kVectors>
void find_context(const Attention& attention, const Scratch& scratch, const Block& block, int column) {
  const int head_size = attention.constants->head_size, group_bytes = (head_size + 15) / 16 * 64;
  __m512i sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = _mm512_setzero_si512();
  }
  if (attention.constants->wide) {
    multiply(scratch.low_probabilities(), (block.most_visible + 15) / 16, scratch.values + column * 4, group_bytes, sum);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = _mm512_srai_epi32(_mm512_add_epi32(sum[i][j], _mm512_set1_epi32(128)), 8);
    }
  }
  for (int run = 0; run < block.run_count; ++run) {
    const auto [begin, end] = block.runs[run];
    const uint8_t* probabilities = scratch.probabilities + static_cast<ptrdiff_t>(begin) * kBlockRows;
    const int8_t* values = scratch.values + column * 4 + static_cast<ptrdiff_t>(begin / 4) * group_bytes;
    multiply(probabilities, (end - begin + 15) / 16, values, group_bytes, sum);
  }
  const int count = least(16 * kVectors, head_size - column);
#pragma GCC unroll 8
  for (int i = 0; i < kRows; i += 2) {
    const __m512i first = context_row(*attention.constants, block, i, sum[i][0], sum[i][kVectors - 1]);
    const __m512i second = context_row(*attention.constants, block, i + 1, sum[i + 1][0], sum[i + 1][kVectors - 1]);
    const int rows = least(2, block.rows - i);
    if (attention.fine.data == nullptr) {
      store_rows(attention, attention.context, block.first + i, rows, column, count, to_bytes(first, second));
      continue;
    }
    const __m512i one = eleven_bits(first), two = eleven_bits(second), seven = _mm512_set1_epi16(7);
    store_rows(attention, attention.context, block.first + i, rows, column, count,
               to_bytes(_mm512_srli_epi16(one, 3), _mm512_srli_epi16(two, 3)));
    store_rows(attention, attention.fine, block.first + i, rows, column, count,
               to_bytes(_mm512_and_si512(one, seven), _mm512_and_si512(two, seven)));
  }
}

template <int kRows>
void attend(const Attention& attention, const Scratch& scratch, int first, int rows) {
  const AttentionConstants& constants = *attention.constants;
  Block block(attention, first, rows, kRows);
  find_scores<kRows>(constants.head_size, scratch, &block);
  const bool left_shift = constants.score_shift < 0;
  if (constants.clipped) {
    (left_shift ? find_clipped_probabilities<kRows, true> : find_clipped_probabilities<kRows, false>)(constants,
                                                                                                      scratch, &block);
  } else if (constants.wide) {
    (left_shift ? find_wide_probabilities<kRows, true> : find_wide_probabilities<kRows, false>)(constants, scratch, &block);
  } else {
    (left_shift ? find_probabilities<kRows, true> : find_probabilities<kRows, false>)(constants, scratch, &block);
  }
  find_runs<kRows>(constants.clipped, scratch, &block);
  apply_gate(attention, &block);
  int column = 0;
  for (; column + 16 < constants.head_size; column += 32) find_context<kRows, 2>(attention, scratch, block, column);
  if (column < constants.head_size) find_context<kRows, 1>(attention, scratch, block, column);
}

void attention(const Attention& attention) {
  const Scratch scratch(attention);
  const int end = attention.first_query + attention.queries;
  const int visible = attention.constants->causal ? attention.past + end : attention.length;
  pack_keys(attention, visible, scratch);
  pack_values(attention, visible, scratch);
  int first = attention.first_query;
  for (; end - first > kBlockRows / 2; first += kBlockRows) {
    attend<kBlockRows>(attention, scratch, first, least(kBlockRows, end - first));
  }
  if (first < end) attend<kBlockRows / 2>(attention, scratch, first, end - first);
}

}  // namespace

void install_attention_avx512vnni(KernelTable& table);
void install_attention_avx512vnni(KernelTable& table) { table.attention = attention; }

}  // namespace octavo::kernels
