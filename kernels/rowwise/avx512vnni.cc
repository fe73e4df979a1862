// Row by row with AVX-512: LayerNorm is built on vpmuldq, the one signed 32 x 32 -> 64 product, of which 8 elements fit
// a register; vpdpwssd makes D * x - S straight from 16-bit elements and leaves them where vpmuldq reads.
//
// A register of 32 elements x[0..31] is worked on as four quarters: quarter k holds x[4i + k] in the low half of its
// 64-bit lane i. LayerNorm takes 16 rows at a time: their sums, their reciprocal roots (independent, so they overlap),
// then 64 columns after 64 columns of all rows, so that gains are put in quarters once for 16 rows.
#include "kernels/kernels.h"

#ifndef __clang__  // GCC 12's own AVX-512 headers raise both without cause
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 16;
constexpr int kBlockColumns = 64;

int least(int a, int b) { return a < b ? a : b; }

// The mask of `count` elements, of all when there are more than a register holds.
__mmask16 mask16(int count) {
  return static_cast<__mmask16>(count >= 16 ? 0xffff : count <= 0 ? 0 : (1u << count) - 1);
}
__mmask32 mask32(int count) { return count >= 32 ? 0xffffffff : count <= 0 ? 0 : (1u << count) - 1; }
__mmask64 mask64(int count) { return count >= 64 ? ~uint64_t{0} : (uint64_t{1} << count) - 1; }

// round(2^30 / sqrt((i + 0.5) / 64)) for i = 16..63.
constexpr int64_t kReciprocalRoot[48] = {
    2114695713, 2053387115, 1997119227, 1945237133, 1897199172, 1852552937, 1810917218, 1771968208,
    1735428857, 1701060526, 1668656406, 1638036256, 1609042172, 1581535151, 1555392273, 1530504391,
    1506774204, 1484114654, 1462447584, 1441702596, 1421816090, 1402730445, 1384393311, 1366757007,
    1349778000, 1333416450, 1317635818, 1302402522, 1287685637, 1273456629, 1259689126, 1246358707,
    1233442724, 1220920139, 1208771378, 1196978204, 1185523604, 1174391680, 1163567563, 1153037323,
    1142787899, 1132807028, 1123083182, 1113605518, 1104363818, 1095348453, 1086550331, 1077960865};

// What the elements of a row have in common: c = (columns * x - sum) >> right, n = (c * y) >> after. A left shift of c
// is taken out of `after`, which is exact: no bit is lost before the product is shifted.
struct RowConstants {
  int32_t sum;
  int32_t y;
  int32_t right;
  int64_t after;
};

// Section 4: 1 / sqrt(variance) = y * 2^-(46 + e), and the shift by 8 - e that goes with it.
void set_reciprocal_root(RowConstants& row, uint64_t variance) {
  const int e = (64 - __builtin_clzll(variance) - 31) >> 1;
  const auto v = static_cast<int64_t>(e >= 0 ? variance >> (2 * e) : variance << (-2 * e));
  int64_t y = kReciprocalRoot[(v >> 26) - 16];
  for (int step = 0; step < 3; ++step) {
    const int64_t t = (v * ((y * y) >> 30)) >> 32;
    y = (y * ((int64_t{3} << 30) - t)) >> 31;
  }
  row.y = static_cast<int32_t>(y < INT32_MAX ? y : INT32_MAX);
  row.right = e > 8 ? e - 8 : 0;
  row.after = e > 8 ? 32 : 24 + e;
}

// Modulo 2^64; the sum of GCC's own _mm512_reduce_add_epi64 is signed at its end, and may overflow.
uint64_t sum_of_lanes(__m512i lanes) {
  const __m256i four = _mm256_add_epi64(_mm512_castsi512_si256(lanes), _mm512_extracti64x4_epi64(lanes, 1));
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}

// Sums over part of a row. A pair's sum of squares can be 2^31, an unsigned 32-bit number: `pairs` adds two of them as
// one 64-bit lane, low + 2^32 * high modulo 2^64, and `high` adds the high ones, which are subtracted in the end.
struct Sums {
  __m512i values, pairs, high;
};

void add(Sums& sums, __m512i x) {
  const __m512i squares = _mm512_madd_epi16(x, x);
  sums.values = _mm512_dpwssd_epi32(sums.values, x, _mm512_set1_epi16(1));
  sums.pairs = _mm512_add_epi64(sums.pairs, squares);
  sums.high = _mm512_add_epi64(sums.high, _mm512_srli_epi64(squares, 32));
}

// Sets row.sum; returns columns^2 times the row's variance, exact, and 1 for 0.
uint64_t variance_of(const LayerNorm& norm, const int16_t* in, RowConstants& row) {
  Sums sums = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
  int j = 0;
  for (; j + 32 <= norm.columns; j += 32) add(sums, _mm512_loadu_si512(in + j));
  if (j < norm.columns) add(sums, _mm512_maskz_loadu_epi16(mask32(norm.columns - j), in + j));
  row.sum = _mm512_reduce_add_epi32(sums.values);
  const uint64_t high = sum_of_lanes(sums.high);
  const uint64_t squares = sum_of_lanes(sums.pairs) - (high << 32) + high;
  const int64_t sum = row.sum;
  const uint64_t variance = static_cast<uint64_t>(norm.columns) * squares - static_cast<uint64_t>(sum * sum) +
                            static_cast<uint64_t>(norm.epsilon);
  return variance == 0 ? 1 : variance;
}

// 32 values in quarters.
struct Quarters {
  __m512i at[4];
};

// even: 32-bit lanes hold elements 0, 2, 4...; odd: elements 1, 3, 5...
Quarters quarters(__m512i even, __m512i odd) {
  return {{even, odd, _mm512_srli_epi64(even, 32), _mm512_srli_epi64(odd, 32)}};
}

struct EvenOdd {
  __m512i even, odd;
};

EvenOdd load_even_odd(const int32_t* values, int count) {
  const __m512i first = _mm512_maskz_loadu_epi32(mask16(count), values);
  const __m512i second = _mm512_maskz_loadu_epi32(mask16(count - 16), values + 16);
  const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
  return {_mm512_permutex2var_epi32(first, even, second), _mm512_permutex2var_epi32(first, odd, second)};
}

// One lane's constants for 64 columns.
struct LaneBlock {
  Quarters gain[2];
  EvenOdd offset[2];
  __m512i shift, low, high;
};

void load(LaneBlock& block, const NormLane& lane, int column, int count) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    if (count <= 32 * half) break;
    const EvenOdd gain = load_even_odd(lane.gain + column + 32 * half, count - 32 * half);
    block.gain[half] = quarters(gain.even, gain.odd);
    block.offset[half] = load_even_odd(lane.offset + column + 32 * half, count - 32 * half);
  }
  block.shift = _mm512_set1_epi32(lane.shift);
}

Quarters normalized(__m512i x, int columns, const RowConstants& row) {
  const __m512i minus_sum = _mm512_set1_epi32(-row.sum);
  __m512i even = _mm512_dpwssd_epi32(minus_sum, x, _mm512_set1_epi32(columns));
  __m512i odd = _mm512_dpwssd_epi32(minus_sum, x, _mm512_set1_epi32(columns << 16));
  if (row.right != 0) {
    even = _mm512_srav_epi32(even, _mm512_set1_epi32(row.right));
    odd = _mm512_srav_epi32(odd, _mm512_set1_epi32(row.right));
  }
  Quarters n = quarters(even, odd);
  const __m512i y = _mm512_set1_epi32(row.y), after = _mm512_set1_epi64(row.after);
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) n.at[k] = _mm512_srlv_epi64(_mm512_mul_epi32(n.at[k], y), after);
  return n;
}

// (mulhi32(n, gain) + offset) >> shift, saturated to s16; each 128-bit lane holds its 8 elements in the order
// 0 2 4 6 1 3 5 7.
__m512i lane_values(const Quarters& n, const LaneBlock& lane, int half) {
  __m512i product[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) product[k] = _mm512_mul_epi32(n.at[k], lane.gain[half].at[k]);
  // High halves: those of quarters 0 and 1 move down into the low halves of quarters 2 and 3.
  __m512i even = _mm512_mask_shuffle_epi32(product[2], 0x5555, product[0], _MM_PERM_DDBB);
  __m512i odd = _mm512_mask_shuffle_epi32(product[3], 0x5555, product[1], _MM_PERM_DDBB);
  even = _mm512_srav_epi32(_mm512_add_epi32(even, lane.offset[half].even), lane.shift);
  odd = _mm512_srav_epi32(_mm512_add_epi32(odd, lane.offset[half].odd), lane.shift);
  return _mm512_packs_epi32(even, odd);
}

void store_shorts(int16_t* out, int count, __m512i values, const LaneBlock& lane) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
  values = _mm512_shuffle_epi8(values, order);
  values = _mm512_max_epi16(_mm512_min_epi16(values, lane.high), lane.low);
  if (count >= 32) {
    _mm512_storeu_si512(out, values);
  } else {
    _mm512_mask_storeu_epi16(out, mask32(count), values);
  }
}

void store_bytes(uint8_t* out, int count, __m512i first, __m512i second, const LaneBlock& lane) {
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
  __m512i values = _mm512_shuffle_epi8(_mm512_packus_epi16(first, second), order);
  values = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), values);
  values = _mm512_max_epu8(_mm512_min_epu8(values, lane.high), lane.low);
  if (count >= kBlockColumns) {
    _mm512_storeu_si512(out, values);
  } else {
    _mm512_mask_storeu_epi8(out, mask64(count), values);
  }
}

// The constants of both lanes for the columns being worked on.
struct ColumnBlock {
  int first, count;  // count <= 64
  LaneBlock bytes, stream;
};

void load(ColumnBlock& block, const LayerNorm& norm, int first) {
  block.first = first;
  block.count = least(norm.columns - first, kBlockColumns);
  if (norm.bytes.gain != nullptr) {
    load(block.bytes, norm.bytes, first, block.count);
    block.bytes.low = _mm512_set1_epi8(static_cast<char>(norm.bytes.low));
    block.bytes.high = _mm512_set1_epi8(static_cast<char>(norm.bytes.high));
  }
  if (norm.stream.gain != nullptr) {
    load(block.stream, norm.stream, first, block.count);
    block.stream.low = _mm512_set1_epi16(static_cast<int16_t>(norm.stream.low));
    block.stream.high = _mm512_set1_epi16(static_cast<int16_t>(norm.stream.high));
  }
}

void normalize(const LayerNorm& norm, int row, const RowConstants& constants, const ColumnBlock& block) {
  __m512i bytes[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    if (block.count <= 32 * half) break;
    const int column = block.first + 32 * half, count = block.count - 32 * half;
    const int16_t* in = norm.in + row * norm.in_stride + column;
    const __m512i x = count >= 32 ? _mm512_loadu_si512(in) : _mm512_maskz_loadu_epi16(mask32(count), in);
    const Quarters n = normalized(x, norm.columns, constants);
    if (norm.bytes.gain != nullptr) bytes[half] = lane_values(n, block.bytes, half);
    if (norm.stream.gain != nullptr) {
      int16_t* out = norm.stream_out + row * norm.stream_stride + column;
      store_shorts(out, count, lane_values(n, block.stream, half), block.stream);
    }
  }
  if (norm.bytes.gain != nullptr) {
    uint8_t* out = norm.bytes_out.data + row / kTileRows * norm.bytes_out.tile_stride +
                   row % kTileRows * norm.bytes_out.row_stride + block.first / kTileDepth * norm.bytes_out.chunk_stride;
    store_bytes(out, block.count, bytes[0], bytes[1], block.bytes);
  }
}

void layer_norm(const LayerNorm& norm) {
  for (int first_row = 0; first_row < norm.rows; first_row += kBlockRows) {
    const int rows = least(norm.rows - first_row, kBlockRows);
    RowConstants constants[kBlockRows];
    uint64_t variance[kBlockRows];
    for (int i = 0; i < rows; ++i) {
      variance[i] = variance_of(norm, norm.in + (first_row + i) * norm.in_stride, constants[i]);
    }
    for (int i = 0; i < rows; ++i) set_reciprocal_root(constants[i], variance[i]);
    ColumnBlock block = {};
    for (int column = 0; column < norm.columns; column += kBlockColumns) {
      load(block, norm, column);
      for (int i = 0; i < rows; ++i) normalize(norm, first_row + i, constants[i], block);
    }
  }
}

void embedding_sum(const EmbeddingSum& embed) {
  for (int row = 0; row < embed.rows; ++row) {
    for (int j = 0; j < embed.columns; j += 16) {
      const __mmask16 mask = mask16(embed.columns - j);
      __m512i sum = _mm512_set1_epi32(1 << 14);
      for (int t = 0; t < embed.tables; ++t) {
        const ptrdiff_t index = embed.table[t].index[row];
        const __m128i codes = _mm_maskz_loadu_epi8(mask, embed.table[t].rows + index * embed.columns + j);
        const __m512i multiplier = _mm512_set1_epi32(embed.table[t].multiplier[index]);
        sum = _mm512_add_epi32(sum, _mm512_mullo_epi32(_mm512_cvtepi8_epi32(codes), multiplier));
      }
      const __m256i out = _mm512_cvtsepi32_epi16(_mm512_srai_epi32(sum, 15));
      _mm256_mask_storeu_epi16(embed.out + row * embed.stride + j, mask, out);
    }
  }
}

void column_sum(const ColumnSum& sum) {
  for (int j = 0; j < sum.columns; j += 32) {
    const __mmask32 mask = mask32(sum.columns - j);
    __m512i first = _mm512_setzero_si512(), second = _mm512_setzero_si512();
    for (int row = 0; row < sum.rows; ++row) {
      const __m512i x = _mm512_maskz_loadu_epi16(mask, sum.in + row * sum.stride + j);
      first = _mm512_add_epi32(first, _mm512_cvtepi16_epi32(_mm512_castsi512_si256(x)));
      second = _mm512_add_epi32(second, _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(x, 1)));
    }
    _mm512_mask_storeu_epi32(sum.out + j, mask16(sum.columns - j), first);
    _mm512_mask_storeu_epi32(sum.out + j + 16, mask16(sum.columns - j - 16), second);
  }
}

}  // namespace

void install_rowwise_avx512vnni(KernelTable& table);
void install_rowwise_avx512vnni(KernelTable& table) {
  table.layer_norm = layer_norm;
  table.embedding_sum = embedding_sum;
  table.column_sum = column_sum;
}

}  // namespace octavo::kernels
