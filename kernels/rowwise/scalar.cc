// Row by row in plain C++: LayerNorm, embedding sum, column sum. Every other instruction set gives these bits.
#include "kernels/gate_tables.h"
#include "kernels/kernels.h"
#include "kernels/rowwise/reciprocal_root.h"

#include <stdint.h>

namespace octavo::kernels {
namespace {

int64_t clamp(int64_t value, int64_t low, int64_t high) { return value < low ? low : value > high ? high : value; }
int32_t mulhi32(int32_t a, int32_t b) { return static_cast<int32_t>((int64_t{a} * b) >> 32); }

// 1 / sqrt(V) = y * 2^-(46 + e).
struct ReciprocalRoot {
  int32_t y;
  int e;
};

// Section 4, for V in 1..2^59. V is scaled by an even power of two to 31 or 32 bits; three Newton steps
// y := y * (3 - v * y^2) / 2 follow a table of 48 cells.
ReciprocalRoot reciprocal_root(uint64_t variance) {
  const int e = (64 - __builtin_clzll(variance) - 31) >> 1;
  const auto v = static_cast<int64_t>(e >= 0 ? variance >> (2 * e) : variance << (-2 * e));
  int64_t y = kReciprocalRoot[(v >> 26) - 16];
  for (int step = 0; step < 3; ++step) {
    const int64_t t = (v * ((y * y) >> 30)) >> 32;
    y = (y * ((int64_t{3} << 30) - t)) >> 31;
  }
  return {static_cast<int32_t>(y < INT32_MAX ? y : INT32_MAX), e};
}

// What the elements of a row have in common: n = mulhi32((columns * x - sum) * 2^(8 - e), y).
struct RowConstants {
  int64_t sum;
  ReciprocalRoot root;
};

// In steps of the row.
int64_t value_at(const int16_t* in, int column, const OutlierColumns& outliers) {
  for (int i = 0; i < outliers.count; ++i) {
    if (outliers.column[i] == column) return int64_t{in[column]} * (1 << outliers.shift[i]);
  }
  return in[column];
}

RowConstants row_constants(const LayerNorm& norm, const int16_t* in) {
  const int64_t columns = norm.columns;
  int64_t sum = 0, squares = 0;
  for (int j = 0; j < columns; ++j) {
    const int64_t x = value_at(in, j, norm.outliers);
    if (!norm.rms) sum += x;
    squares += x * x;
  }
  const int64_t variance = columns * squares - sum * sum + norm.epsilon;  // columns^2 times the row's variance, exact
  return {sum, reciprocal_root(variance == 0 ? 1 : static_cast<uint64_t>(variance))};
}

int32_t normalized(int64_t x, int columns, const RowConstants& row) {
  const int64_t centered = columns * x - row.sum;
  const int e = row.root.e;
  return mulhi32(static_cast<int32_t>(e <= 8 ? centered << (8 - e) : centered >> (e - 8)), row.root.y);
}

int32_t output_value(const NormConstants& output, int column, int32_t n) {
  const int32_t value = (mulhi32(n, output.gain[column]) + output.offset[column]) >> output.shift;
  return static_cast<int32_t>(clamp(value, output.low, output.high));
}

uint8_t* at(const ByteMatrix& m, int row, int column) {
  return m.data + row / kTileRows * m.tile_stride + row % kTileRows * m.row_stride +
         column / kTileDepth * m.chunk_stride + column % kTileDepth;
}
void store(const ByteMatrix& out, int row, int column, int64_t value) {
  *at(out, row, column) = static_cast<uint8_t>(value);
}

void layer_norm(const LayerNorm& norm) {
  for (int row = 0; row < norm.rows; ++row) {
    const int16_t* in = norm.in + row * norm.in_stride;
    const RowConstants constants = row_constants(norm, in);
    for (int j = 0; j < norm.columns; ++j) {
      const int32_t n = normalized(value_at(in, j, norm.outliers), norm.columns, constants);
      if (norm.u8.gain != nullptr) store(norm.u8_output, row, j, output_value(norm.u8, j, n));
      if (norm.s16.gain != nullptr) {
        norm.s16_output[row * norm.s16_stride + j] = static_cast<int16_t>(output_value(norm.s16, j, n));
      }
    }
  }
}

void embedding_sum(const EmbeddingSum& embed) {
  for (int row = 0; row < embed.rows; ++row) {
    for (int j = 0; j < embed.columns; ++j) {
      int32_t sum = 1 << 14;
      for (int t = 0; t < embed.tables; ++t) {
        const ptrdiff_t index = embed.table[t].index[row];
        sum += embed.table[t].rows[index * embed.columns + j] * embed.table[t].multiplier[index];
      }
      embed.out[row * embed.stride + j] = static_cast<int16_t>(clamp(sum >> 15, -32768, 32767));
    }
  }
}

// Static W8A8 (9), the paper's setting, which exists to be measured, not to be fast.
void embedding_sum_static_w8a8(const EmbeddingSum& sum, const StaticW8A8EmbeddingSum& w8a8) {
  for (int row = 0; row < sum.rows; ++row) {
    for (int column = 0; column < sum.columns; ++column) {
      const auto term = [&](int t) {
        const EmbeddingTable& table = sum.table[t];
        const ptrdiff_t index = table.index[row];
        return int32_t{table.rows[index * sum.columns + column]} * table.multiplier[index];
      };
      const int32_t first = term(0) + (sum.tables == 3 ? term(2) : 0);
      const int64_t partial = clamp((first + (1 << 19)) >> 20, w8a8.partial_low, w8a8.partial_high);
      const int64_t both = partial * w8a8.partial_multiplier + term(1);
      sum.out[row * sum.stride + column] = static_cast<int16_t>(clamp((both + (1 << 19)) >> 20, w8a8.low, w8a8.high));
    }
  }
}

void column_sum(const ColumnSum& sum) {
  for (int j = 0; j < sum.columns; ++j) {
    int32_t total = 0;
    for (int row = 0; row < sum.rows; ++row) total += sum.in[row * sum.stride + j];
    sum.out[j] = total;
  }
}

int64_t scaled(int64_t value, int64_t multiplier, int shift) {
  return (value * multiplier + (int64_t{1} << (shift - 1))) >> shift;
}

// sum / count, rounded half up.
int64_t mean(int64_t sum, int64_t count) {
  const int64_t doubled = 2 * sum + count, divisor = 2 * count;
  return doubled / divisor - (doubled % divisor < 0 ? 1 : 0);
}

// Calls work(column, count) for the parts of a row that lie in one chunk.
template <class Work>
void for_chunks(int columns, Work work) {
  for (int column = 0; column < columns; column += kTileDepth) {
    work(column, columns - column < kTileDepth ? columns - column : kTileDepth);
  }
}

void split_s16(const SplitS16& split) {
  constexpr int kLargest = 32639;  // its two codes are 255 and 255
  for (int row = 0; row < split.rows; ++row) {
    for_chunks(split.columns, [&](int column, int count) {
      const int16_t* in = split.in + row * split.stride + column;
      uint8_t *high = at(split.out, 2 * row, column), *low = at(split.out, 2 * row + 1, column);
      for (int j = 0; j < count; ++j) {
        const int shifted = (in[j] < kLargest ? in[j] : kLargest) + 32768 + 128;
        high[j] = static_cast<uint8_t>(shifted >> 8);
        low[j] = static_cast<uint8_t>(shifted & 255);
      }
    });
  }
}

// Calls put(column, value) for the columns of a joined row.
template <class Put>
void join(const JoinedRow& row, int64_t low, int64_t high, Put put) {
  const JoinedRow own = row;  // which nothing that is put can change
  for (int j = 0; j < own.columns; ++j) {
    const int64_t sum = int64_t{8} * own.high[j] + (own.low[j] >> 5);
    put(j, clamp(scaled(sum, own.multiplier[j], own.shift), low, high));
  }
}

void join_to_s32(const JoinedRow& row, int32_t* out) {
  join(row, INT32_MIN, INT32_MAX, [&](int j, int64_t value) { out[j] = static_cast<int32_t>(value); });
}

void join_to_s16(const JoinedRow& row, int16_t* out) {
  join(row, INT16_MIN, INT16_MAX, [&](int j, int64_t value) { out[j] = static_cast<int16_t>(value); });
}

void shift_s16(const ShiftS16& shift) {
  const int rounding = 1 << (shift.shift - 1);
  for (int row = 0; row < shift.rows; ++row) {
    int16_t* x = shift.data + row * shift.stride;
    for (int j = 0; j < shift.columns; ++j) x[j] = static_cast<int16_t>((x[j] + rounding) >> shift.shift);
  }
}

void requantize_s16(const RequantizeS16& requantize) {
  const RequantizeS16 own = requantize;
  for (int row = 0; row < own.rows; ++row) {
    for_chunks(own.columns, [&](int column, int count) {
      const int16_t* in = own.in + row * own.stride + column;
      uint8_t* out = at(own.out, row, column);
      for (int j = 0; j < count; ++j) {
        out[j] = static_cast<uint8_t>(clamp(scaled(in[j], own.multiplier, own.shift) + own.zero_point, 0, 255));
      }
    });
  }
}

void split_u11(const SplitU11& split) {
  for (int row = 0; row < split.rows; ++row) {
    for_chunks(split.columns, [&](int column, int count) {
      const int16_t* in = split.in + row * split.stride + column;
      uint8_t *out = at(split.out, row, column), *fine = at(split.fine, row, column);
      for (int j = 0; j < count; ++j) {
        out[j] = static_cast<uint8_t>(in[j] >> 3);
        fine[j] = static_cast<uint8_t>(in[j] & 7);
      }
    });
  }
}

void shift_tiles(const ShiftTiles& shift) {
  const ptrdiff_t bytes = ptrdiff_t{kTileRows} * shift.columns;
  for (int tile = 0; tile < shift.tiles; ++tile) {
    const uint8_t* in = shift.in + tile * shift.stride;
    uint8_t* out = shift.out + tile * shift.stride;
    for (ptrdiff_t i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(in[i] >> 3);
  }
}

void scale_s32(const ScaleS32& row) {
  const ScaleS32 own = row;
  for (int j = 0; j < own.columns; ++j) {
    const int64_t value = scaled(own.in[j], own.multiplier[j], own.shift);
    own.out[j] = static_cast<int32_t>(clamp(value, INT32_MIN, INT32_MAX));
  }
}

// A table's value for an s16 code.
int32_t activated(const int16_t* table, int code) {
  const int place = code + 32768, index = place >> 6, rest = place & 63;
  return (table[index] * (64 - rest) + table[index + 1] * rest + 32) >> 6;
}

void activate_s16(const ActivateS16& row) {
  for (int j = 0; j < row.columns; ++j) row.out[j] = static_cast<int16_t>(activated(row.table, row.in[j]));
}

void gated_units(const GatedUnits& units) {
  const GatedUnits own = units;
  const bool fine = own.fine.data != nullptr;
  for (int row = 0; row < own.rows; ++row) {
    for (int j = 0; j < own.columns; ++j) {
      const ptrdiff_t from = row * own.stride + j;
      const int32_t product = activated(own.table, own.gate[from]) * (own.up != nullptr ? own.up[from] : 1);
      const int64_t v = clamp(scaled(product, own.multiplier, own.shift) + own.zero_point, 0, fine ? 2047 : 255);
      store(own.out, row, j, fine ? v >> 3 : v);
      if (fine) store(own.fine, row, j, v & 7);
    }
  }
}

void rotate_heads(const RotateHeads& heads) {
  const RotateHeads own = heads;
  const int half = own.head_size / 2;
  const auto code = [&](int32_t sum) {
    return static_cast<uint8_t>(clamp(scaled(sum, own.multiplier, own.shift) + own.zero_point, own.low, own.high));
  };
  for (int row = 0; row < own.rows; ++row) {
    const int16_t *cosine = own.cosine + ptrdiff_t{own.position[row]} * half,
                  *sine = own.sine + ptrdiff_t{own.position[row]} * half;
    for (int head = 0; head < own.heads; ++head) {
      const int16_t* in = own.in + row * own.stride + head * own.head_size;
      uint8_t* out = own.out + row * own.out_stride + head * own.head_size;
      for (int j = 0; j < half; ++j) {
        const int32_t x = in[j], y = in[half + j];
        out[j] = code(x * cosine[j] - y * sine[j]);
        out[half + j] = code(y * cosine[j] + x * sine[j]);
      }
    }
  }
}

int16_t gate_of(int32_t x, GateFunction function) {
  const bool sigmoid = function == GateFunction::sigmoid;
  const int32_t magnitude = x < 0 ? -x : x, a = magnitude < 16384 ? magnitude : 16384, cell = a >> 8;
  const int32_t* table = sigmoid ? kSigmoid : kSoftplus;
  const int32_t t = table[cell] + (((table[cell + 1] - table[cell]) * (a & 255) + 128) >> 8);
  if (sigmoid) return static_cast<int16_t>(x < 0 ? 32768 - t : t);
  return static_cast<int16_t>(clamp(2 * (x < 0 ? 0 : x) + t, 0, 32767));
}

void activate_gates(const ActivateGates& gates) {
  for (int row = 0; row < gates.rows; ++row) {
    for (int j = 0; j < gates.columns; ++j)
      gates.out[row * gates.stride + j] = gate_of(gates.in[row * gates.stride + j], gates.function);
  }
}

void divide_sums(const DivideSums& divide) {
  for (int j = 0; j < divide.columns; ++j) divide.out[j] = static_cast<int16_t>(mean(divide.sums[j], divide.count));
}

void mean_gate_logits(const MeanGateLogits& gate) {
  for (int head = 0; head < gate.heads; ++head) {
    int64_t sum = 0;
    for (int row = 0; row < gate.rows; ++row) sum += gate.in[row * gate.stride + head];
    const int64_t logit = scaled(mean(sum, gate.rows), gate.multiplier[head], gate.shift);
    gate.out[head] = static_cast<int16_t>(clamp(logit, INT16_MIN, INT16_MAX));
  }
}

// Bytes to a run of columns, which may cross chunks.
void write_bytes(const uint8_t* from, int count, const ByteMatrix& to, int row, int column) {
  while (count > 0) {
    const int room = kTileDepth - column % kTileDepth, part = count < room ? count : room;
    __builtin_memcpy(at(to, row, column), from, static_cast<size_t>(part));
    from += part;
    column += part;
    count -= part;
  }
}

void copy_patch(const CopyPatch& copy) {
  const int width = 3 * copy.patch_size;
  for (int y = 0; y < copy.patch_size; ++y)
    write_bytes(copy.pixels + y * copy.stride, width, copy.out, copy.row, y * width);
}

void add_patch(const AddPatch& add) {
  const AddPatch own = add;
  for (int j = 0; j < own.columns; ++j) {
    const int32_t sum = own.position[j] + (own.patch != nullptr ? own.patch[j] : 0);
    const int32_t clamped = sum < own.low ? own.low : sum > own.high ? own.high : sum;
    own.out[j] = static_cast<int16_t>(own.patch != nullptr ? clamped : sum);
  }
}

void copy_u8_row(const CopyU8Row& copy) {
  for_chunks(copy.columns, [&](int column, int count) {
    write_bytes(at(copy.from, copy.row, column), count, copy.to, copy.to_row, copy.first_column + column);
  });
}

}  // namespace

void install_rowwise_scalar(KernelTable& table);
void install_rowwise_scalar(KernelTable& table) {
  table.layer_norm = layer_norm;
  table.embedding_sum = embedding_sum;
  table.embedding_sum_static_w8a8 = embedding_sum_static_w8a8;
  table.column_sum = column_sum;
  table.split_s16 = split_s16;
  table.join_to_s32 = join_to_s32;
  table.join_to_s16 = join_to_s16;
  table.shift_s16 = shift_s16;
  table.requantize_s16 = requantize_s16;
  table.split_u11 = split_u11;
  table.shift_tiles = shift_tiles;
  table.scale_s32 = scale_s32;
  table.activate_s16 = activate_s16;
  table.activate_gates = activate_gates;
  table.gated_units = gated_units;
  table.rotate_heads = rotate_heads;
  table.divide_sums = divide_sums;
  table.mean_gate_logits = mean_gate_logits;
  table.copy_patch = copy_patch;
  table.add_patch = add_patch;
  table.copy_u8_row = copy_u8_row;
}

}  // namespace octavo::kernels
