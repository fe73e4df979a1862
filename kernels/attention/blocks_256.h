// What the 256-bit attention kernel works on: blocks of queries, and keys and values packed for their products. Only
// avx2.cc includes this and the other headers of 256 bits.
#pragma once

#include "kernels/attention/row_constants.h"
#include "kernels/kernels.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 4;
constexpr int kStepKeys = 32;
constexpr int kMostDepth = 256;
constexpr int kRunKeys = 64;  // keys that are skipped together
constexpr int kMostRuns = 65536 / kRunKeys / 2;

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void put(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }
__m256i broadcast_pair(const int16_t* from) {
  int32_t pair;
  __builtin_memcpy(&pair, from, 4);
  return _mm256_set1_epi32(pair);
}
int least(int a, int b) { return a < b ? a : b; }

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
  RowMultipliers<kBlockRows> by;          // of the row's context
  int16_t query[kBlockRows][kMostDepth];  // minus zero point; of each four, the even two first
};

}  // namespace
}  // namespace octavo::kernels
