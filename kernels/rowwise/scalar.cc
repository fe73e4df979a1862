// Row by row in plain C++: LayerNorm, embedding sum, column sum. Every other instruction set gives these bits.
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
  int32_t sum;
  ReciprocalRoot root;
};

RowConstants row_constants(const int16_t* in, int columns, int64_t epsilon) {
  int64_t sum = 0, squares = 0;
  for (int j = 0; j < columns; ++j) {
    sum += in[j];
    squares += in[j] * in[j];
  }
  const int64_t variance = columns * squares - sum * sum + epsilon;  // columns^2 times the row's variance, exact
  return {static_cast<int32_t>(sum), reciprocal_root(variance == 0 ? 1 : static_cast<uint64_t>(variance))};
}

int32_t normalized(int32_t x, int columns, const RowConstants& row) {
  const int32_t centered = columns * x - row.sum;
  const int e = row.root.e;
  return mulhi32(e <= 8 ? centered << (8 - e) : centered >> (e - 8), row.root.y);
}

int32_t lane_value(const NormLane& lane, int column, int32_t n) {
  const int32_t value = (mulhi32(n, lane.gain[column]) + lane.offset[column]) >> lane.shift;
  return static_cast<int32_t>(clamp(value, lane.low, lane.high));
}

void store(const ByteMatrix& out, int row, int column, int32_t value) {
  out.data[row / kTileRows * out.tile_stride + row % kTileRows * out.row_stride +
           column / kTileDepth * out.chunk_stride + column % kTileDepth] = static_cast<uint8_t>(value);
}

void layer_norm(const LayerNorm& norm) {
  for (int row = 0; row < norm.rows; ++row) {
    const int16_t* in = norm.in + row * norm.in_stride;
    const RowConstants constants = row_constants(in, norm.columns, norm.epsilon);
    for (int j = 0; j < norm.columns; ++j) {
      const int32_t n = normalized(in[j], norm.columns, constants);
      if (norm.bytes.gain != nullptr) store(norm.bytes_out, row, j, lane_value(norm.bytes, j, n));
      if (norm.stream.gain != nullptr) {
        norm.stream_out[row * norm.stream_stride + j] = static_cast<int16_t>(lane_value(norm.stream, j, n));
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

// The paper's setting (9), which exists to be measured, not to be fast.
void embedding_sum_paper(const EmbeddingSum& sum, const PaperEmbeddingSum& paper) {
  for (int row = 0; row < sum.rows; ++row) {
    for (int column = 0; column < sum.columns; ++column) {
      const auto term = [&](int t) {
        const EmbeddingTable& table = sum.table[t];
        const ptrdiff_t index = table.index[row];
        return int32_t{table.rows[index * sum.columns + column]} * table.multiplier[index];
      };
      const int32_t first = term(0) + (sum.tables == 3 ? term(2) : 0);
      const int64_t partial = clamp((first + (1 << 19)) >> 20, paper.partial_low, paper.partial_high);
      const int64_t both = partial * paper.partial_multiplier + term(1);
      sum.out[row * sum.stride + column] = static_cast<int16_t>(clamp((both + (1 << 19)) >> 20, paper.low, paper.high));
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

}  // namespace

void install_rowwise_scalar(KernelTable& table);
void install_rowwise_scalar(KernelTable& table) {
  table.layer_norm = layer_norm;
  table.embedding_sum = embedding_sum;
  table.embedding_sum_paper = embedding_sum_paper;
  table.column_sum = column_sum;
}

}  // namespace octavo::kernels
