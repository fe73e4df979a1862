// Row by row with AVX2: LayerNorm is built on vpmuldq, the one signed 32 x 32 -> 64 product, of which 4 elements fit a
// register; vpmaddwd makes D * x straight from 16-bit elements and leaves it where vpmuldq reads.
//
// A register of 16 elements x[0..15] is worked on as four quarters: quarter k holds x[4i + k] in the low half of its
// 64-bit lane i. LayerNorm takes 16 rows at a time: their sums, their reciprocal roots (independent, so they overlap),
// then 32 columns after 32 columns of all rows, so that gains are put in quarters once for 16 rows. Columns past the
// last 32 are done one by one.
#include "kernels/kernels.h"

#include <immintrin.h>
#include <stdint.h>

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 16;
constexpr int kBlockColumns = 32;

int least(int a, int b) { return a < b ? a : b; }
int32_t clamp(int32_t value, int32_t low, int32_t high) { return value < low ? low : value > high ? high : value; }
int32_t mulhi32(int32_t a, int32_t b) { return static_cast<int32_t>((int64_t{a} * b) >> 32); }

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void store(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }

// Modulo 2^64.
uint64_t sum_of_lanes(__m256i lanes) {
  const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two)) + static_cast<uint64_t>(_mm_extract_epi64(two, 1));
}

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

// Sets row.sum; returns columns^2 times the row's variance, exact, and 1 for 0. A pair's sum of squares can be 2^31, an
// unsigned 32-bit number: `pairs` adds two of them as one 64-bit lane, low + 2^32 * high modulo 2^64, and `high` adds
// the high ones, which are subtracted in the end.
uint64_t variance_of(const LayerNorm& norm, const int16_t* in, RowConstants& row) {
  __m256i sums = _mm256_setzero_si256(), pairs = _mm256_setzero_si256(), high = _mm256_setzero_si256();
  int j = 0;
  for (; j + 16 <= norm.columns; j += 16) {
    const __m256i x = load(in + j), squares = _mm256_madd_epi16(x, x);
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(x, _mm256_set1_epi16(1)));
    pairs = _mm256_add_epi64(pairs, squares);
    high = _mm256_add_epi64(high, _mm256_srli_epi64(squares, 32));
  }
  const __m256i odd_sums = _mm256_shuffle_epi32(sums, 0xf5);  // only the low half of each 64-bit lane of the sum counts
  row.sum = static_cast<int32_t>(sum_of_lanes(_mm256_add_epi32(sums, odd_sums)));
  const uint64_t high_sum = sum_of_lanes(high);
  uint64_t squares = sum_of_lanes(pairs) - (high_sum << 32) + high_sum;
  for (; j < norm.columns; ++j) {
    row.sum += in[j];
    squares += static_cast<uint64_t>(in[j] * in[j]);
  }
  const int64_t sum = row.sum;
  const uint64_t variance = static_cast<uint64_t>(norm.columns) * squares - static_cast<uint64_t>(sum * sum) +
                            static_cast<uint64_t>(norm.epsilon);
  return variance == 0 ? 1 : variance;
}

// 16 values in quarters.
struct Quarters {
  __m256i at[4];
};

// even: 32-bit lanes hold elements 0, 2, 4...; odd: elements 1, 3, 5...
Quarters quarters(__m256i even, __m256i odd) {
  return {{even, odd, _mm256_srli_epi64(even, 32), _mm256_srli_epi64(odd, 32)}};
}

struct EvenOdd {
  __m256i even, odd;
};

EvenOdd load_even_odd(const int32_t* values) {
  const __m256i order = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
  const __m256i first = _mm256_permutevar8x32_epi32(load(values), order);
  const __m256i second = _mm256_permutevar8x32_epi32(load(values + 8), order);
  return {_mm256_permute2x128_si256(first, second, 0x20), _mm256_permute2x128_si256(first, second, 0x31)};
}

// One lane's constants for 32 columns.
struct LaneBlock {
  Quarters gain[2];
  EvenOdd offset[2];
  __m256i shift, low, high;
};

void load(LaneBlock& block, const NormLane& lane, int column) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const EvenOdd gain = load_even_odd(lane.gain + column + 16 * half);
    block.gain[half] = quarters(gain.even, gain.odd);
    block.offset[half] = load_even_odd(lane.offset + column + 16 * half);
  }
  block.shift = _mm256_set1_epi32(lane.shift);
}

Quarters normalized(__m256i x, int columns, const RowConstants& row) {
  const __m256i sum = _mm256_set1_epi32(row.sum);
  __m256i even = _mm256_sub_epi32(_mm256_madd_epi16(x, _mm256_set1_epi32(columns)), sum);
  __m256i odd = _mm256_sub_epi32(_mm256_madd_epi16(x, _mm256_set1_epi32(columns << 16)), sum);
  if (row.right != 0) {
    even = _mm256_srav_epi32(even, _mm256_set1_epi32(row.right));
    odd = _mm256_srav_epi32(odd, _mm256_set1_epi32(row.right));
  }
  Quarters n = quarters(even, odd);
  const __m256i y = _mm256_set1_epi32(row.y), after = _mm256_set1_epi64x(row.after);
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) n.at[k] = _mm256_srlv_epi64(_mm256_mul_epi32(n.at[k], y), after);
  return n;
}

// The high halves of 64-bit products, those of `low` in the low halves of the result, those of `high` in the high ones.
__m256i high_halves(__m256i low, __m256i high) { return _mm256_blend_epi32(_mm256_srli_epi64(low, 32), high, 0xaa); }

// (mulhi32(n, gain) + offset) >> shift, saturated to s16; each 128-bit lane holds its 8 elements in the order
// 0 2 4 6 1 3 5 7.
__m256i lane_values(const Quarters& n, const LaneBlock& lane, int half) {
  __m256i product[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) product[k] = _mm256_mul_epi32(n.at[k], lane.gain[half].at[k]);
  __m256i even = high_halves(product[0], product[2]), odd = high_halves(product[1], product[3]);
  even = _mm256_srav_epi32(_mm256_add_epi32(even, lane.offset[half].even), lane.shift);
  odd = _mm256_srav_epi32(_mm256_add_epi32(odd, lane.offset[half].odd), lane.shift);
  return _mm256_packs_epi32(even, odd);
}

void store_shorts(int16_t* out, __m256i values, const LaneBlock& lane) {
  const __m256i order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
  values = _mm256_shuffle_epi8(values, order);
  store(out, _mm256_max_epi16(_mm256_min_epi16(values, lane.high), lane.low));
}

void store_bytes(uint8_t* out, __m256i first, __m256i second, const LaneBlock& lane) {
  const __m256i order =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
  __m256i values = _mm256_shuffle_epi8(_mm256_packus_epi16(first, second), order);
  values = _mm256_permute4x64_epi64(values, 0xd8);
  store(out, _mm256_max_epu8(_mm256_min_epu8(values, lane.high), lane.low));
}

// The constants of both lanes for the 32 columns being worked on.
struct ColumnBlock {
  int first;
  LaneBlock bytes, stream;
};

void load(ColumnBlock& block, const LayerNorm& norm, int first) {
  block.first = first;
  if (norm.bytes.gain != nullptr) {
    load(block.bytes, norm.bytes, first);
    block.bytes.low = _mm256_set1_epi8(static_cast<char>(norm.bytes.low));
    block.bytes.high = _mm256_set1_epi8(static_cast<char>(norm.bytes.high));
  }
  if (norm.stream.gain != nullptr) {
    load(block.stream, norm.stream, first);
    block.stream.low = _mm256_set1_epi16(static_cast<int16_t>(norm.stream.low));
    block.stream.high = _mm256_set1_epi16(static_cast<int16_t>(norm.stream.high));
  }
}

uint8_t* byte_at(const ByteMatrix& out, int row, int column) {
  return out.data + row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride +
         column / kTileDepth * out.chunk_stride + column % kTileDepth;
}

void normalize(const LayerNorm& norm, int row, const RowConstants& constants, const ColumnBlock& block) {
  __m256i bytes[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const int column = block.first + 16 * half;
    const Quarters n = normalized(load(norm.in + row * norm.in_stride + column), norm.columns, constants);
    if (norm.bytes.gain != nullptr) bytes[half] = lane_values(n, block.bytes, half);
    if (norm.stream.gain != nullptr) {
      int16_t* out = norm.stream_out + row * norm.stream_stride + column;
      store_shorts(out, lane_values(n, block.stream, half), block.stream);
    }
  }
  if (norm.bytes.gain != nullptr) {
    store_bytes(byte_at(norm.bytes_out, row, block.first), bytes[0], bytes[1], block.bytes);
  }
}

int32_t lane_value(const NormLane& lane, int column, int32_t n) {
  return clamp((mulhi32(n, lane.gain[column]) + lane.offset[column]) >> lane.shift, lane.low, lane.high);
}

// The columns from `first` on, one by one.
void normalize_rest(const LayerNorm& norm, int row, const RowConstants& constants, int first) {
  for (int j = first; j < norm.columns; ++j) {
    const int32_t x = norm.in[row * norm.in_stride + j];
    const int64_t centered = (norm.columns * x - constants.sum) >> constants.right;
    const auto n = static_cast<int32_t>((centered * constants.y) >> constants.after);
    if (norm.bytes.gain != nullptr) {
      *byte_at(norm.bytes_out, row, j) = static_cast<uint8_t>(lane_value(norm.bytes, j, n));
    }
    if (norm.stream.gain != nullptr) {
      norm.stream_out[row * norm.stream_stride + j] = static_cast<int16_t>(lane_value(norm.stream, j, n));
    }
  }
}

void layer_norm(const LayerNorm& norm) {
  const int whole = norm.columns / kBlockColumns * kBlockColumns;
  for (int first_row = 0; first_row < norm.rows; first_row += kBlockRows) {
    const int rows = least(norm.rows - first_row, kBlockRows);
    RowConstants constants[kBlockRows];
    uint64_t variance[kBlockRows];
    for (int i = 0; i < rows; ++i) {
      variance[i] = variance_of(norm, norm.in + (first_row + i) * norm.in_stride, constants[i]);
    }
    for (int i = 0; i < rows; ++i) set_reciprocal_root(constants[i], variance[i]);
    ColumnBlock block = {};
    for (int column = 0; column < whole; column += kBlockColumns) {
      load(block, norm, column);
      for (int i = 0; i < rows; ++i) normalize(norm, first_row + i, constants[i], block);
    }
    for (int i = 0; i < rows; ++i) normalize_rest(norm, first_row + i, constants[i], whole);
  }
}

// Eight columns of the sum before its clamp.
__m256i embedding_values(const EmbeddingSum& embed, int row, int column) {
  __m256i sum = _mm256_set1_epi32(1 << 14);
  for (int t = 0; t < embed.tables; ++t) {
    const ptrdiff_t index = embed.table[t].index[row];
    const void* codes = embed.table[t].rows + index * embed.columns + column;
    const __m256i wide = _mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(codes)));
    sum = _mm256_add_epi32(sum, _mm256_mullo_epi32(wide, _mm256_set1_epi32(embed.table[t].multiplier[index])));
  }
  return _mm256_srai_epi32(sum, 15);
}

int16_t embedding_value(const EmbeddingSum& embed, int row, int column) {
  int32_t sum = 1 << 14;
  for (int t = 0; t < embed.tables; ++t) {
    const ptrdiff_t index = embed.table[t].index[row];
    sum += embed.table[t].rows[index * embed.columns + column] * embed.table[t].multiplier[index];
  }
  return static_cast<int16_t>(clamp(sum >> 15, -32768, 32767));
}

void embedding_sum(const EmbeddingSum& embed) {
  for (int row = 0; row < embed.rows; ++row) {
    int16_t* out = embed.out + row * embed.stride;
    int j = 0;
    for (; j + 16 <= embed.columns; j += 16) {
      const __m256i packed = _mm256_packs_epi32(embedding_values(embed, row, j), embedding_values(embed, row, j + 8));
      store(out + j, _mm256_permute4x64_epi64(packed, 0xd8));
    }
    for (; j < embed.columns; ++j) out[j] = embedding_value(embed, row, j);
  }
}

void column_sum(const ColumnSum& sum) {
  int j = 0;
  for (; j + 16 <= sum.columns; j += 16) {
    __m256i first = _mm256_setzero_si256(), second = _mm256_setzero_si256();
    for (int row = 0; row < sum.rows; ++row) {
      const __m256i x = load(sum.in + row * sum.stride + j);
      first = _mm256_add_epi32(first, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(x)));
      second = _mm256_add_epi32(second, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(x, 1)));
    }
    store(sum.out + j, first);
    store(sum.out + j + 8, second);
  }
  for (; j < sum.columns; ++j) {
    int32_t total = 0;
    for (int row = 0; row < sum.rows; ++row) total += sum.in[row * sum.stride + j];
    sum.out[j] = total;
  }
}

}  // namespace

void install_rowwise_avx2(KernelTable& table);
void install_rowwise_avx2(KernelTable& table) {
  table.layer_norm = layer_norm;
  table.embedding_sum = embedding_sum;
  table.column_sum = column_sum;
}

}  // namespace octavo::kernels
