// LayerNorm, embedding sum, column sum and gates over the vectors of vectors.h.
//
// LayerNorm is built on the one signed 32 x 32 -> 64 product, vpmuldq, which works on one 32-bit element in 64 bits;
// sums of pairs of 16-bit products make D * x - S and leave it where vpmuldq reads. A vector of 16-bit elements
// x[0], x[1] ... is worked on as four quarters: quarter k holds x[4i + k] in the low half of its 64-bit lane i.
// LayerNorm takes 16 rows at a time: their sums, their reciprocal roots (independent, so they overlap), then two
// vectors' columns after two vectors' columns of all rows, so that gains are put in quarters once for 16 rows. Outlier
// columns are few: vectors take them as they are, the row's sums are put right, and then these columns are written
// anew.
#pragma once

#include "kernels/gate_tables.h"
#include "kernels/kernels.h"
#include "kernels/rowwise/reciprocal_root.h"
#include "kernels/vectors.h"

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 16;
constexpr int kColumns16 = kVectorBytes / 2, kColumns32 = kVectorBytes / 4;  // of a vector of 16 or 32 bits
constexpr int kBlockColumns = 2 * kColumns16;
static_assert(kTileDepth % kBlockColumns == 0);  // a block of bytes lies in one chunk

int least(int a, int b) { return a < b ? a : b; }

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

// Sums over part of a row. A pair's sum of squares can be 2^31, an unsigned 32-bit number: `pairs` adds two of them as
// one 64-bit lane, low + 2^32 * high modulo 2^64, and `high` adds the high ones, which are subtracted in the end.
struct Sums {
  Vector values = zero(), pairs = zero(), high = zero();
};

[[gnu::always_inline]] inline void add(Sums& sums, Vector x) {
  const Vector squares = mul_pairs_s16(x, x);
  sums.values = add_pairs_s16(sums.values, x, all_16(1));
  sums.pairs = add_64(sums.pairs, squares);
  sums.high = add_64(sums.high, odd_32(squares));
}

// Values of a row's outlier columns, in its steps; the new stream may be written over them.
struct Outliers {
  int64_t x[kMostOutlierColumns];
};

// What they add to the sums of a row beyond their codes.
struct Excess {
  int64_t sum = 0, squares = 0;
};

Excess read_outliers(const LayerNorm& norm, const int16_t* in, Outliers& outliers) {
  Excess excess;
  for (int i = 0; i < norm.outliers.count; ++i) {
    const int64_t code = in[norm.outliers.column[i]], x = code * (1 << norm.outliers.shift[i]);
    outliers.x[i] = x;
    excess.sum += x - code;
    excess.squares += x * x - code * code;
  }
  return excess;
}

// Sets row.sum; returns columns^2 times the row's variance, exact, and 1 for 0.
uint64_t variance_of(const LayerNorm& norm, const int16_t* in, RowConstants& row, Outliers& outliers) {
  Sums sums;
  int j = 0;
  for (; j + kColumns16 <= norm.columns; j += kColumns16) add(sums, load(in + j));
  if (j < norm.columns) add(sums, load_some(in + j, norm.columns - j));
  const Excess excess = read_outliers(norm, in, outliers);
  row.sum = norm.rms ? 0 : sum_of_32(sums.values) + static_cast<int32_t>(excess.sum);
  const uint64_t high = sum_of_64(sums.high);
  const uint64_t squares = sum_of_64(sums.pairs) - (high << 32) + high + static_cast<uint64_t>(excess.squares);
  const int64_t sum = row.sum;
  const uint64_t variance = static_cast<uint64_t>(norm.columns) * squares - static_cast<uint64_t>(sum * sum) +
                            static_cast<uint64_t>(norm.epsilon);
  return variance == 0 ? 1 : variance;
}

// A vector of 16-bit elements in quarters.
struct Quarters {
  Vector at[4];
};

// even: 32-bit elements are 0, 2, 4...; odd: 1, 3, 5...
Quarters quarters(Vector even, Vector odd) { return {{even, odd, odd_32(even), odd_32(odd)}}; }

[[gnu::always_inline]] inline EvenOdd load_even_odd(const int32_t* values, int count) {
  return even_odd_32(load_some(values, count), load_some(values + kColumns32, count - kColumns32));
}

// One output's constants for a block of columns.
struct OutputBlock {
  Quarters gain[2];
  EvenOdd offset[2];
  Vector shift, low, high;
};

[[gnu::always_inline]] inline void load(OutputBlock& block, const NormConstants& constants, int column, int count) {
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half, column += kColumns16, count -= kColumns16) {
    if (count <= 0) break;
    const EvenOdd gain = load_even_odd(constants.gain + column, count);
    block.gain[half] = quarters(gain.even, gain.odd);
    block.offset[half] = load_even_odd(constants.offset + column, count);
  }
  block.shift = all_32(constants.shift);
}

Quarters normalized(Vector x, int columns, const RowConstants& row) {
  const Vector minus_sum = all_32(-row.sum);
  Vector even = add_pairs_s16(minus_sum, x, all_32(columns)), odd = add_pairs_s16(minus_sum, x, all_32(columns << 16));
  if (row.right != 0) {
    even = shift_each_right_s32(even, all_32(row.right));
    odd = shift_each_right_s32(odd, all_32(row.right));
  }
  Quarters n = quarters(even, odd);
  const Vector y = all_32(row.y), after = all_64(row.after);
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) n.at[k] = shift_each_right_u64(mul_even_s32(n.at[k], y), after);
  return n;
}

// (mulhi32(n, gain) + offset) >> shift, saturated to s16; each 128-bit lane holds its 8 elements in the order
// 0 2 4 6 1 3 5 7.
Vector output_values(const Quarters& n, const OutputBlock& constants, int half) {
  Vector product[4];
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) product[k] = mul_even_s32(n.at[k], constants.gain[half].at[k]);
  const Vector even = add_32(high_halves(product[0], product[2]), constants.offset[half].even);
  const Vector odd = add_32(high_halves(product[1], product[3]), constants.offset[half].odd);
  return pack_s32(shift_each_right_s32(even, constants.shift), shift_each_right_s32(odd, constants.shift));
}

[[gnu::always_inline]] inline void store_s16(int16_t* out, int count, Vector values, const OutputBlock& constants) {
  values = shuffle_lanes(values, _mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
  store_some(out, count, max_s16(min_s16(values, constants.high), constants.low));
}

[[gnu::always_inline]] inline void store_u8(uint8_t* out, int count, Vector first, Vector second,
                                            const OutputBlock& constants) {
  const Vector values =
      shuffle_lanes(pack_u8(first, second), _mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
  store_some(out, count, max_u8(min_u8(to_column_order(values), constants.high), constants.low));
}

// The constants of both outputs for the columns being worked on.
struct ColumnBlock {
  OutputBlock u8, s16;
};

[[gnu::always_inline]] inline void load(ColumnBlock& block, const LayerNorm& norm, int first, int count) {
  if (norm.u8.gain != nullptr) {
    load(block.u8, norm.u8, first, count);
    block.u8.low = all_8(norm.u8.low);
    block.u8.high = all_8(norm.u8.high);
  }
  if (norm.s16.gain != nullptr) {
    load(block.s16, norm.s16, first, count);
    block.s16.low = all_16(norm.s16.low);
    block.s16.high = all_16(norm.s16.high);
  }
}

[[gnu::always_inline]] inline void normalize(const LayerNorm& norm, int row, const RowConstants& constants,
                                             const ColumnBlock& block, int first, int count) {
  Vector bytes[2] = {zero(), zero()};
#pragma GCC unroll 2
  for (int half = 0; half < 2; ++half) {
    const int column = first + half * kColumns16, rest = count - half * kColumns16;
    if (rest <= 0) break;
    const Vector x = load_some(norm.in + row * norm.in_stride + column, rest);
    const Quarters n = normalized(x, norm.columns, constants);
    if (norm.u8.gain != nullptr) bytes[half] = output_values(n, block.u8, half);
    if (norm.s16.gain != nullptr) {
      int16_t* out = norm.s16_output + row * norm.s16_stride + column;
      store_s16(out, rest, output_values(n, block.s16, half), block.s16);
    }
  }
  if (norm.u8.gain != nullptr) {
    uint8_t* out = norm.u8_output.data + row / kTileRows * norm.u8_output.tile_stride +
                   row % kTileRows * norm.u8_output.row_stride + first / kTileDepth * norm.u8_output.chunk_stride +
                   first % kTileDepth;
    store_u8(out, count, bytes[0], bytes[1], block.u8);
  }
}

int32_t output_value(const NormConstants& output, int column, int32_t n) {
  const int64_t product = int64_t{n} * output.gain[column];
  const int32_t value = (static_cast<int32_t>(product >> 32) + output.offset[column]) >> output.shift;
  return value < output.low ? output.low : value > output.high ? output.high : value;
}

void rewrite_outliers(const LayerNorm& norm, int row, const RowConstants& constants, const Outliers& outliers) {
  for (int i = 0; i < norm.outliers.count; ++i) {
    const int column = norm.outliers.column[i];
    const int64_t centered = (norm.columns * outliers.x[i] - constants.sum) >> constants.right;
    const auto n = static_cast<int32_t>((centered * constants.y) >> constants.after);
    if (norm.u8.gain != nullptr) {
      const ByteMatrix& out = norm.u8_output;
      out.data[row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride +
               column / kTileDepth * out.chunk_stride + column % kTileDepth] =
          static_cast<uint8_t>(output_value(norm.u8, column, n));
    }
    if (norm.s16.gain != nullptr)
      norm.s16_output[row * norm.s16_stride + column] = static_cast<int16_t>(output_value(norm.s16, column, n));
  }
}

void layer_norm(const LayerNorm& norm) {
  for (int first_row = 0; first_row < norm.rows; first_row += kBlockRows) {
    const int rows = least(norm.rows - first_row, kBlockRows);
    RowConstants constants[kBlockRows];
    Outliers outliers[kBlockRows];
    uint64_t variance[kBlockRows];
    for (int i = 0; i < rows; ++i) {
      variance[i] = variance_of(norm, norm.in + (first_row + i) * norm.in_stride, constants[i], outliers[i]);
    }
    for (int i = 0; i < rows; ++i) set_reciprocal_root(constants[i], variance[i]);
    const auto normalize_columns = [&](int column, int count) __attribute__((always_inline)) {
      ColumnBlock block = {};
      load(block, norm, column, count);
      for (int i = 0; i < rows; ++i) normalize(norm, first_row + i, constants[i], block, column, count);
    };
    int column = 0;  // of whole blocks, the count is a constant
    for (; column + kBlockColumns <= norm.columns; column += kBlockColumns) normalize_columns(column, kBlockColumns);
    if (column < norm.columns) normalize_columns(column, norm.columns - column);
    for (int i = 0; i < rows; ++i) rewrite_outliers(norm, first_row + i, constants[i], outliers[i]);
  }
}

// Calls work(column, count) for vectors of 16-bit elements that cover the columns. The last whole one may overlap the
// one before; fewer columns than a vector has are one call.
template <class Work>
void for_vectors(int columns, Work work) {
  if (columns < kColumns16) return work(0, columns);
  for (int j = 0; j < columns; j += kColumns16) work(least(j, columns - kColumns16), kColumns16);
}

void embedding_sum(const EmbeddingSum& embed) {
  for (int row = 0; row < embed.rows; ++row) {
    for_vectors(
        embed.columns, [&](int column, int count) __attribute__((always_inline)) {
          Vector left = all_32(1 << 14), right = left;
          for (int t = 0; t < embed.tables; ++t) {
            const ptrdiff_t index = embed.table[t].index[row];
            const int8_t* codes = embed.table[t].rows + index * embed.columns + column;
            const Vector multiplier = all_32(embed.table[t].multiplier[index]);
            left = add_32(left, mul_32(load_some_s8_as_s32(codes, count), multiplier));
            right = add_32(right, mul_32(load_some_s8_as_s32(codes + kColumns32, count - kColumns32), multiplier));
          }
          const Vector packed = pack_s32(shift_right_s32<15>(left), shift_right_s32<15>(right));
          store_some(embed.out + row * embed.stride + column, count, to_column_order(packed));
        });
  }
}

void column_sum(const ColumnSum& sum) {
  for_vectors(
      sum.columns, [&](int column, int count) __attribute__((always_inline)) {
        Vector first = zero(), second = zero();
        for (int row = 0; row < sum.rows; ++row) {
          const Vector x = load_some(sum.in + row * sum.stride + column, count);
          first = add_32(first, low_s16_as_s32(x));
          second = add_32(second, high_s16_as_s32(x));
        }
        store_some(sum.out + column, count, first);
        store_some(sum.out + column + kColumns32, count - kColumns32, second);
      });
}

constexpr GateCells kSigmoidCells = gate_cells(kSigmoid), kSoftplusCells = gate_cells(kSoftplus);

// 64 values, looked up by the position of an index modulo 32 and, all ones where it is 32 and more, `upper`.
struct Table64 {
  explicit Table64(const int16_t* values) : lower(values), difference(values + 32) {}
  [[gnu::always_inline]] Vector at(Vector position, Vector upper) const {
    return add_16(lower[position], bit_and(difference[position], upper));
  }
  Table32 lower, difference;
};

template <GateFunction kFunction>
void activate_gates_by(const ActivateGates& gates, const GateCells& cells) {
  const Table64 base(cells.base), slope(cells.slope);
  const Count sign = count_16(15);
  const auto gate_of = [&](Vector x) __attribute__((always_inline)) {
    const Vector a = min_u16(abs_s16(x), all_16(16383));  // the last cell ends where the table does
    const Vector position = Table32::position(bit_and(shift_right_u16<8>(a), all_16(31)));
    const Vector upper = shift_right_s16(shift_left_16<2>(a), sign);
    const Vector within = shift_left_16<7>(bit_and(a, all_16(255)));
    const Vector t = add_16(base.at(position, upper), mulhrs_s16(slope.at(position, upper), within));
    if constexpr (kFunction == GateFunction::sigmoid)
      return add_16(t, bit_and(sub_16(all_16(-32768), add_16(t, t)), shift_right_s16(x, sign)));
    const Vector positive = max_s16(x, zero());
    return add_saturating_s16(add_saturating_s16(positive, positive), t);
  };
  for (int row = 0; row < gates.rows; ++row) {
    const int16_t* in = gates.in + row * gates.stride;
    int16_t* out = gates.out + row * gates.stride;
    for (int j = 0; j < gates.columns; j += kColumns16)
      store_some(out + j, gates.columns - j, gate_of(load_some(in + j, gates.columns - j)));
  }
}

void activate_gates(const ActivateGates& gates) {
  if (gates.function == GateFunction::sigmoid)
    activate_gates_by<GateFunction::sigmoid>(gates, kSigmoidCells);
  else
    activate_gates_by<GateFunction::softplus>(gates, kSoftplusCells);
}

void install_rows(KernelTable& table) {
  table.activate_gates = activate_gates;
  table.layer_norm = layer_norm;
  table.embedding_sum = embedding_sum;
  table.column_sum = column_sum;
}

}  // namespace
}  // namespace octavo::kernels
