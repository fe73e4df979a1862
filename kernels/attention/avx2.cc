// Attention with 256-bit registers, for CPUs without VNNI: products on vpmaddwd, the softmax on 32 scores at a time.
//
// vpmaddubsw would saturate (255 * 127 * 2), so bytes are widened to 16 bits in registers. Keys are packed in fours of
// bytes, widened to even and odd ones; values in pairs of keys, widened in order. A block of four queries takes whole
// rows through scores, probabilities and context, which communicate through scratch in the L1 cache.
#include "kernels.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 4;
constexpr int kStepKeys = 32;
constexpr int kFewQueries = 2;
constexpr int kMostDepth = 256;
constexpr int kRunKeys = 64;  // keys that are skipped together
constexpr int kMostRuns = 65536 / kRunKeys / 2;

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

// round(2^15 * sigmoid(i / 8)), constant from i = 64 on.
constexpr int32_t kSigmoid[66] = {
    16384, 17407, 18421, 19420, 20397, 21344, 22255, 23127, 23955, 24737, 25471,  //
    26155, 26790, 27377, 27917, 28411, 28862, 29272, 29644, 29979, 30282, 30555,  //
    30799, 31018, 31214, 31389, 31545, 31684, 31807, 31917, 32015, 32102, 32179,  //
    32247, 32307, 32361, 32408, 32450, 32487, 32520, 32549, 32574, 32597, 32617,  //
    32635, 32650, 32664, 32676, 32687, 32696, 32705, 32712, 32719, 32725, 32730,  //
    32734, 32738, 32742, 32745, 32747, 32750, 32752, 32754, 32756, 32757, 32757,
};

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void put(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }
__m256i broadcast_pair(const int16_t* from) {
  int32_t pair;
  __builtin_memcpy(&pair, from, 4);
  return _mm256_set1_epi32(pair);
}
int least(int a, int b) { return a < b ? a : b; }
int bit_length(uint32_t value) { return 32 - __builtin_clz(value); }  // value > 0

// Packed operands and the rows of a block, all in scratch.
struct Scratch {
  explicit Scratch(const Attention& attention) {
    columns = (attention.constants->head_size + 15) / 16 * 16;
    const ptrdiff_t padded_keys = (attention.length + kStepKeys - 1) / kStepKeys * kStepKeys;
    keys = static_cast<int8_t*>(attention.scratch);
    values = keys + padded_keys * columns;
    scores = reinterpret_cast<int32_t*>(values + padded_keys * columns);
    exponentials = reinterpret_cast<int16_t*>(scores + padded_keys * kBlockRows);
    probabilities = exponentials + padded_keys * kBlockRows;
  }
  int columns;             // head_size rounded up to 16
  int8_t* keys;            // [keys / 16][head_size / 4][16 keys][4]
  int8_t* values;          // [keys / 2][columns][2 keys]
  int32_t* scores;         // [steps][4 rows][32]
  int16_t* exponentials;   // [steps][4 rows][32]
  int16_t* probabilities;  // [steps][4 rows][32], 0 .. 255
};

// Keys beyond the sequence repeat its last one: no query sees them.
void pack_keys(const Attention& attention, int visible, const Scratch& to) {
  const int head_size = attention.constants->head_size;
  for (int key = 0; key < (visible + kStepKeys - 1) / kStepKeys * kStepKeys; ++key) {
    const int8_t* from = attention.k + least(key, attention.length - 1) * attention.key_stride;
    int8_t* out = to.keys + static_cast<ptrdiff_t>(key / 16) * 16 * head_size + key % 16 * 4;
    for (int d = 0; d < head_size; d += 4, out += 64) __builtin_memcpy(out, from + d, 4);
  }
}

// 16 bytes of which `count` exist; the others are 0.
__m128i load_columns(const int8_t* from, int count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  alignas(16) int8_t bytes[16] = {};
  __builtin_memcpy(bytes, from, static_cast<size_t>(count));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

void pack_values(const Attention& attention, int visible, const Scratch& to) {
  const int head_size = attention.constants->head_size;
  int8_t* out = to.values;
  for (int key = 0; key < visible; key += 2) {
    const int8_t* first = attention.v + key * attention.key_stride;
    const int8_t* second = attention.v + least(key + 1, attention.length - 1) * attention.key_stride;
    for (int d = 0; d < head_size; d += 16, out += 32) {
      const __m128i a = load_columns(first + d, head_size - d), b = load_columns(second + d, head_size - d);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out), _mm_unpacklo_epi8(a, b));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + 16), _mm_unpackhi_epi8(a, b));
    }
  }
}

// Queries first .. first + rows - 1. A block of fewer than four repeats the last one.
struct Block {
  Block(const Attention& attention, int first, int rows) : first(first), rows(rows) {
    const AttentionConstants& constants = *attention.constants;
    const __m128i zero_point = _mm_set1_epi16(static_cast<int16_t>(constants.query_zero_point));
    for (int i = 0; i < kBlockRows; ++i) {
      const int row = first + least(i, rows - 1);
      visible[i] = constants.causal ? attention.past + row + 1 : attention.length;
      for (int d = 0; d < constants.head_size; d += 4) {
        int32_t four;
        __builtin_memcpy(&four, attention.q + row * attention.stride + d, 4);
        const __m128i q = _mm_sub_epi16(_mm_cvtepu8_epi16(_mm_cvtsi32_si128(four)), zero_point);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(query[i] + d), _mm_shufflelo_epi16(q, 0b11011000));
      }
    }
    most_visible = visible[kBlockRows - 1];
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
  int32_t multiplier[kBlockRows];  // of the row's context
  int shift[kBlockRows];
  int16_t query[kBlockRows][kMostDepth];  // minus zero point; of each four, the even two first
};

// Two registers of s32 in 16 columns.
struct Row {
  __m256i left, right;
};

// Adds even and odd bytes of 16 keys times a row's four query values.
Row multiply_four(Row sum, const int16_t* query, Row even, Row odd) {
  const __m256i q_even = broadcast_pair(query), q_odd = broadcast_pair(query + 2);
  sum.left = _mm256_add_epi32(sum.left, _mm256_madd_epi16(q_even, even.left));
  sum.right = _mm256_add_epi32(sum.right, _mm256_madd_epi16(q_even, even.right));
  sum.left = _mm256_add_epi32(sum.left, _mm256_madd_epi16(q_odd, odd.left));
  sum.right = _mm256_add_epi32(sum.right, _mm256_madd_epi16(q_odd, odd.right));
  return sum;
}

// Scores of the block's rows with 16 keys; those of a row are kStepKeys apart from the next one's.
void find_sixteen_scores(const Block& block, int head_size, const int8_t* k, int32_t* scores) {
  const __m256i zero = _mm256_setzero_si256();
  Row sum[kBlockRows] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
  for (int d = 0; d < head_size; d += 4, k += 64) {
    const __m256i left = load(k), right = load(k + 32);
    const Row even = {_mm256_srai_epi16(_mm256_slli_epi16(left, 8), 8),
                      _mm256_srai_epi16(_mm256_slli_epi16(right, 8), 8)};
    const Row odd = {_mm256_srai_epi16(left, 8), _mm256_srai_epi16(right, 8)};
#pragma GCC unroll 4
    for (int i = 0; i < kBlockRows; ++i) sum[i] = multiply_four(sum[i], block.query[i] + d, even, odd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kBlockRows; ++i) {
    put(scores + i * kStepKeys, sum[i].left);
    put(scores + i * kStepKeys + 8, sum[i].right);
  }
}

void find_scores(const Block& block, int head_size, const Scratch& scratch) {
  int32_t* scores = scratch.scores;
  for (int key = 0; key < block.most_visible; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    const int8_t* k = scratch.keys + static_cast<ptrdiff_t>(key) * head_size;
    find_sixteen_scores(block, head_size, k, scores);
    find_sixteen_scores(block, head_size, k + 16 * head_size, scores + 16);
  }
}

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

// Whether no row has a probability in the steps of 32 keys from `begin` on that hold keys below `end`.
bool is_empty(const int16_t* probabilities, int begin, int end) {
  __m256i all = _mm256_setzero_si256();
  for (int key = begin; key < end; key += kStepKeys) {
    const int16_t* step = probabilities + static_cast<ptrdiff_t>(key) * kBlockRows;
    for (int i = 0; i < kBlockRows * kStepKeys; i += 16) all = _mm256_or_si256(all, load(step + i));
  }
  return _mm256_testz_si256(all, all) != 0;
}

void find_runs(bool clipped, const Scratch& scratch, Block* block) {
  block->runs[0] = {0, block->most_visible};
  block->run_count = 1;
  if (!clipped) return;
  block->run_count = 0;
  for (int begin = 0; begin < block->most_visible; begin += kRunKeys) {
    const int end = least(begin + kRunKeys, block->most_visible);
    if (is_empty(scratch.probabilities, begin, end)) continue;
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
__m256i requantize(__m256i sum, int32_t multiplier, int shift) {
  const __m256i m = _mm256_set1_epi32(multiplier);
  const __m256i even = _mm256_mul_epi32(sum, m), odd = _mm256_mul_epi32(_mm256_srli_epi64(sum, 32), m);
  const __m256i high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0b10101010);
  const __m256i rounded = _mm256_add_epi32(high, _mm256_set1_epi32(int32_t{1} << (shift - 33)));
  return _mm256_sra_epi32(rounded, _mm_cvtsi32_si128(shift - 32));
}

// `count` columns of one row of the context. They may reach into the next 64-column chunk, which need not follow.
void store_columns(const ByteMatrix& out, ptrdiff_t row, int column, int count, __m128i bytes) {
  uint8_t* line = out.data + row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride;
  uint8_t* to = line + column / kTileDepth * out.chunk_stride + column % kTileDepth;
  const int room = kTileDepth - column % kTileDepth;
  if (count == 16 && room >= 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
    return;
  }
  alignas(16) uint8_t all[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(all), bytes);
  const int here = least(count, room);
  __builtin_memcpy(to, all, static_cast<size_t>(here));
  const int there = count - here;
  if (there > 0) __builtin_memcpy(to + here + out.chunk_stride - kTileDepth, all + here, static_cast<size_t>(there));
}

__m128i to_bytes(__m256i shorts) {
  return _mm_packus_epi16(_mm256_castsi256_si128(shorts), _mm256_extracti128_si256(shorts, 1));
}

// 16 columns of one row of the context from their sums.
void store_context(const Attention& attention, const Block& block, int row, int column, Row sum) {
  const AttentionConstants& constants = *attention.constants;
  const __m256i zero_point = _mm256_set1_epi16(static_cast<int16_t>(constants.zero_point));
  const __m256i packed = _mm256_packs_epi32(requantize(sum.left, block.multiplier[row], block.shift[row]),
                                            requantize(sum.right, block.multiplier[row], block.shift[row]));
  const __m256i shorts = _mm256_permute4x64_epi64(_mm256_adds_epi16(packed, zero_point), 0b11011000);
  const ptrdiff_t line = attention.context_row + block.first + row;
  const int to = attention.context_column + column, count = least(16, constants.head_size - column);
  if (attention.fine.data == nullptr) {
    store_columns(attention.context, line, to, count, to_bytes(shorts));
    return;
  }
  const __m256i code = _mm256_min_epi16(_mm256_max_epi16(shorts, _mm256_setzero_si256()), _mm256_set1_epi16(2047));
  store_columns(attention.context, line, to, count, to_bytes(_mm256_srli_epi16(code, 3)));
  store_columns(attention.fine, line, to, count, to_bytes(_mm256_and_si256(code, _mm256_set1_epi16(7))));
}

// Sums of wide probabilities times values: of e = 256 h + l the sum over h, and that over l, which is added in the end. Each
// part is of at most kWideKeys keys, whose sum over e is exact in 32 bits.
constexpr int kWideKeys = 512;
class WideSum {
 public:
  void add(Row part) {
    const __m256i low = _mm256_set1_epi32(255);
    high_ = {_mm256_add_epi32(high_.left, _mm256_srai_epi32(part.left, 8)), _mm256_add_epi32(high_.right, _mm256_srai_epi32(part.right, 8))};
    low_ = {_mm256_add_epi32(low_.left, _mm256_and_si256(part.left, low)), _mm256_add_epi32(low_.right, _mm256_and_si256(part.right, low))};
  }
  Row total() const { return {total(high_.left, low_.left), total(high_.right, low_.right)}; }

 private:
  static __m256i total(__m256i high, __m256i low) {
    return _mm256_add_epi32(high, _mm256_srai_epi32(_mm256_add_epi32(low, _mm256_set1_epi32(128)), 8));
  }
  Row high_ = {_mm256_setzero_si256(), _mm256_setzero_si256()}, low_ = high_;
};

// The products of the block's probabilities with 16 columns of values, over `count` runs of keys.
void find_products(const Scratch& scratch, const int16_t* probabilities, const Block::Run* runs, int count, int column, Row (&result)[kBlockRows]) {
  const __m256i zero = _mm256_setzero_si256();
  Row sum[kBlockRows] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
  for (int run = 0; run < count; ++run) {
    const auto [begin, end] = runs[run];
    const int8_t* v = scratch.values + column * 2 + static_cast<ptrdiff_t>(begin) * scratch.columns;
    const int16_t* p = probabilities + static_cast<ptrdiff_t>(begin) * kBlockRows;
    for (int step = begin; step < end; step += kStepKeys, p += kBlockRows * kStepKeys) {
      const int keys = least(kStepKeys, end - step);
      for (int key = 0; key < keys; key += 2, v += scratch.columns * 2) {
        const __m256i left = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v)));
        const __m256i right = _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(v + 16)));
#pragma GCC unroll 4
        for (int i = 0; i < kBlockRows; ++i) {
          const __m256i pair = broadcast_pair(p + i * kStepKeys + key);
          sum[i].left = _mm256_add_epi32(sum[i].left, _mm256_madd_epi16(pair, left));
          sum[i].right = _mm256_add_epi32(sum[i].right, _mm256_madd_epi16(pair, right));
        }
      }
    }
  }
  for (int i = 0; i < kBlockRows; ++i) result[i] = sum[i];
}

// 16 columns of the context of the block's rows.
void find_context(const Attention& attention, const Scratch& scratch, const Block& block, int column) {
  Row sum[kBlockRows];
  if (!attention.constants->wide) {
    find_products(scratch, scratch.probabilities, block.runs, block.run_count, column, sum);
    for (int i = 0; i < block.rows; ++i) store_context(attention, block, i, column, sum[i]);
    return;
  }
  WideSum wide[kBlockRows];
  for (int begin = 0; begin < block.most_visible; begin += kWideKeys) {
    const Block::Run part = {begin, least(begin + kWideKeys, block.most_visible)};
    find_products(scratch, scratch.exponentials, &part, 1, column, sum);
    for (int i = 0; i < kBlockRows; ++i) wide[i].add(sum[i]);
  }
  for (int i = 0; i < block.rows; ++i) store_context(attention, block, i, column, wide[i].total());
}

// Scores of one query with eight keys: the sums of 16 columns at a time, added up across lanes at the end.
__m256i find_eight_scores(const Attention& attention, const int16_t* query, int key) {
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
  return _mm256_add_epi32(_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31));
}

// One row's scores from keys as they lie.
void find_scores_of_row(const Attention& attention, const Scratch& scratch, const Block& block, int row) {
  const AttentionConstants& constants = *attention.constants;
  alignas(32) int16_t query[kMostDepth + 16] = {};
  const uint8_t* q = attention.q + (block.first + row) * attention.stride;
  for (int d = 0; d < constants.head_size; ++d) query[d] = static_cast<int16_t>(q[d] - constants.query_zero_point);
  int32_t* scores = scratch.scores + row * kStepKeys;
  for (int key = 0; key < block.most_visible; key += kStepKeys, scores += kBlockRows * kStepKeys) {
    for (int i = 0; i < kStepKeys; i += 8) put(scores + i, find_eight_scores(attention, query, key + i));
  }
}

// The products of one row's probabilities with 16 columns of values as they lie, over a run of keys.
Row find_products_of_row(const Attention& attention, const int16_t* p, Block::Run run, int column) {
  const int count = attention.constants->head_size - column;
  Row sum = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (int key = run.begin; key < run.end; key += 2) {
    const int8_t* v = attention.v + key * attention.key_stride + column;
    const __m128i a = load_columns(v, count), b = load_columns(key + 1 < attention.length ? v + attention.key_stride : v, count);
    const __m256i pair = broadcast_pair(p + key / kStepKeys * kBlockRows * kStepKeys + key % kStepKeys);
    sum.left = _mm256_add_epi32(sum.left, _mm256_madd_epi16(pair, _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b))));
    sum.right = _mm256_add_epi32(sum.right, _mm256_madd_epi16(pair, _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b))));
  }
  return sum;
}

// 16 columns of one row's context.
void find_context_of_row(const Attention& attention, const Scratch& scratch, const Block& block, int row, int column) {
  const int first = row * kStepKeys;
  if (!attention.constants->wide) {
    const Block::Run all = {0, block.most_visible};
    store_context(attention, block, row, column, find_products_of_row(attention, scratch.probabilities + first, all, column));
    return;
  }
  WideSum wide;
  for (int begin = 0; begin < block.most_visible; begin += kWideKeys) {
    const Block::Run part = {begin, least(begin + kWideKeys, block.most_visible)};
    wide.add(find_products_of_row(attention, scratch.exponentials + first, part, column));
  }
  store_context(attention, block, row, column, wide.total());
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

void attend(const Attention& attention, const Scratch& scratch, int first, int rows) {
  const AttentionConstants& constants = *attention.constants;
  Block block(attention, first, rows);
  find_scores(block, constants.head_size, scratch);
  for (int row = 0; row < kBlockRows; ++row) find_row(constants, scratch, &block, row);
  find_runs(constants.clipped, scratch, &block);
  apply_gate(attention, &block);
  for (int column = 0; column < constants.head_size; column += 16) find_context(attention, scratch, block, column);
}

// For the few queries of a decoding step packing keys and values would cost more than it saves.
void attend_few(const Attention& attention, const Scratch& scratch) {
  const AttentionConstants& constants = *attention.constants;
  Block block(attention, attention.first_query, attention.queries);
  for (int row = 0; row < block.rows; ++row) {
    find_scores_of_row(attention, scratch, block, row);
    find_row(constants, scratch, &block, row);
  }
  apply_gate(attention, &block);
  for (int row = 0; row < block.rows; ++row) {
    for (int column = 0; column < constants.head_size; column += 16) find_context_of_row(attention, scratch, block, row, column);
  }
}

void attention(const Attention& attention) {
  const Scratch scratch(attention);
  if (attention.queries <= kFewQueries) return attend_few(attention, scratch);
  const int end = attention.first_query + attention.queries;
  const int visible = attention.constants->causal ? attention.past + end : attention.length;
  pack_keys(attention, visible, scratch);
  pack_values(attention, visible, scratch);
  for (int first = attention.first_query; first < end; first += kBlockRows) {
    attend(attention, scratch, first, least(kBlockRows, end - first));
  }
}

}  // namespace

void install_attention_avx2(KernelTable& table);
void install_attention_avx2(KernelTable& table) { table.attention = attention; }

}  // namespace octavo::kernels
