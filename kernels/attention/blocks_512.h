// What the 512-bit attention kernels work on: blocks of queries, and keys and values packed for their products.
// Included by avx512vnni.cc and amx.cc only, as are the other headers of 512 bits; each has its own copy.
#pragma once

#include "kernels/attention/row_constants.h"
#include "kernels/kernels.h"
#include "kernels/vectors_512.h"

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 8;
constexpr int kStepKeys = 32;   // whose scores lie together
constexpr int kChunkKeys = 64;  // whose probabilities lie together, and which are skipped together
constexpr int kMostDepth = 256;

__m512i broadcast_four(const uint8_t* from) {
  int32_t four;
  __builtin_memcpy(&four, from, 4);
  return _mm512_set1_epi32(four);
}
int least(int a, int b) { return a < b ? a : b; }
int at_least_zero(int a) { return a < 0 ? 0 : a; }
uint32_t low_bits(int count) { return count <= 0 ? 0 : count >= 32 ? ~0u : (1u << count) - 1; }

// Up to eight queries, first .. first + rows - 1, whose softmax is found together.
struct Block {
  Block(const Attention& attention, int first, int rows) : first(first), rows(rows) {
    for (int i = 0; i < kBlockRows; ++i) {
      const int row = first + least(i, at_least_zero(rows - 1));
      visible[i] = attention.constants->causal ? attention.past + row + 1 : attention.length;
      by.set(i, {0, 33});
    }
    keys = visible[kBlockRows - 1];
  }
  int first, rows;
  int keys;                       // that have probabilities; those that a row does not see have 0
  int visible[kBlockRows];        // keys that the row sees, ascending; those behind the last row repeat it
  int32_t largest[kBlockRows];    // score of the row
  int32_t sum[kBlockRows];        // of its probabilities, or of its exponentials when clipped
  RowMultipliers<kBlockRows> by;  // of its context
};

// Keys and values of a head in scratch, packed so that a register holds 16 keys (16 columns of V) by four steps of
// depth (four keys).
struct Packed {
  int8_t* keys;       // [steps][depth / 4][32 keys][4], depth = head_size rounded up to 16
  int8_t* values;     // [keys / 4][head_size rounded up to 16][4 keys]
  int32_t* key_bias;  // [steps][32]: -query_zero_point * sum over d of k[key][d]
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

void pack_keys(const Attention& attention, int visible, const Packed& to) {
  for (int key = 0; key < visible; key += kStepKeys) {
    int8_t* out = to.keys + static_cast<ptrdiff_t>(key) * ((attention.constants->head_size + 15) / 16 * 16);
    pack_sixteen_keys(attention, key, out, to.key_bias + key);
    pack_sixteen_keys(attention, key + 16, out + 64, to.key_bias + key + 16);
  }
}

void pack_values(const Attention& attention, int visible, const Packed& to) {
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

}  // namespace
}  // namespace octavo::kernels
