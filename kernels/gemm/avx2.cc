// GEMM on vpmaddwd with 256-bit registers, for CPUs without VNNI.
//
// vpmaddubsw would multiply u8 by s8 directly, but adds its two products in 16 bits, where 255 * 127 * 2 saturates. So
// both operands are widened in place: of each group of four steps of depth, the even and the odd bytes become pairs of
// 16-bit values, and two vpmaddwd add them up in 32 bits without moving anything between columns.
//
// A block is 4 rows x 16 columns: 8 accumulators, four registers of widened weights, two of activations. The
// activations of 4 rows are widened once for 128 columns.
#include "kernels/gemm/four_bit_256.h"

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 4;
constexpr int kColumnsPerPass = 128;
// Bytes ahead in the weights of few rows: the processor's own prefetch stops at every page.
constexpr int kPrefetch = 4096;

// Four steps of depth for 8 columns, as 16-bit pairs of the even and of the odd steps.
struct Widened {
  __m256i even, odd;
};
Widened widen_weights(const int8_t* from) {
  const __m256i bytes = load(from);
  return {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
}
__m256i add_products(__m256i sum, Widened a, Widened b) {
  return _mm256_add_epi32(_mm256_add_epi32(sum, _mm256_madd_epi16(a.even, b.even)), _mm256_madd_epi16(a.odd, b.odd));
}

// Widened in place, again for every 16 columns: what products use that are too deep for WidenedRows.
class TileRows {
 public:
  TileRows(const Gemm& gemm, int row)
      : from_(gemm.a + static_cast<ptrdiff_t>(row / kTileRows) * gemm.depth * kTileRows +
              row % kTileRows * kTileDepth) {}
  Widened operator()(int row, int chunk, int step) const {
    int32_t four;
    __builtin_memcpy(&four, from_ + static_cast<ptrdiff_t>(chunk) * kTileBytes + row * kTileDepth + step * 4, 4);
    const __m256i bytes = _mm256_set1_epi32(four);
    return {_mm256_and_si256(bytes, _mm256_set1_epi16(255)), _mm256_srli_epi16(bytes, 8)};
  }

 private:
  const uint8_t* from_;
};

// Up to 4 rows, widened once for many columns: of every 8 steps of depth first the even pairs, then the odd ones.
class WidenedRows {
 public:
  static constexpr int kDepth = 4096;  // the deepest that it holds: 32 KB, on the stack
  WidenedRows(const Gemm& gemm, int row) {
    const uint8_t* from =
        gemm.a + static_cast<ptrdiff_t>(row / kTileRows) * gemm.depth * kTileRows + row % kTileRows * kTileDepth;
    for (int chunk = 0; chunk < gemm.depth / kTileDepth; ++chunk, from += kTileBytes) {
      for (int i = 0; i < kBlockRows; ++i) {
        widen(from + i * kTileDepth, pairs_[i] + chunk * 32);
        widen(from + i * kTileDepth + 32, pairs_[i] + chunk * 32 + 16);
      }
    }
  }
  Widened operator()(int row, int chunk, int step) const {
    const int32_t* pair = pairs_[row] + chunk * 32 + step / 8 * 16 + step % 8;
    return {_mm256_set1_epi32(pair[0]), _mm256_set1_epi32(pair[8])};
  }

 private:
  static void widen(const uint8_t* from, int32_t* to) {
    const __m256i bytes = load(from);
    store(to, _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
    store(to + 8, _mm256_srli_epi16(bytes, 8));
  }
  alignas(32) int32_t pairs_[kBlockRows][kDepth / 2];
};

// Rows row .. row + kRows - 1 of 16 columns, whose weights are every second tile from `weights`.
template <int kRows, class Activations, class Epilogue>
void block(const Activations& activations, int chunks, const int8_t* weights, Row bias, int row,
           const Epilogue& epilogue) {
  Row sum[kRows];
#pragma GCC unroll 4
  for (int i = 0; i < kRows; ++i) sum[i] = bias;
  for (int chunk = 0; chunk < chunks; ++chunk, weights += 2 * kTileBytes) {
#pragma GCC unroll 8
    for (int step = 0; step < 16; ++step) {
      const Widened left = widen_weights(weights + step * 64), right = widen_weights(weights + step * 64 + 32);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        const Widened a = activations(i, chunk, step);
        sum[i].left = add_products(sum[i].left, a, left);
        sum[i].right = add_products(sum[i].right, a, right);
      }
    }
  }
#pragma GCC unroll 2
  for (int i = 0; i < kRows; i += 2) epilogue.store(row + i, sum[i], sum[i + 1]);
}

// One or two rows of 32 columns, a whole panel: its weights are read once and in order, which is what a step of
// decoding waits for.
template <int kRows, class Activations, class Epilogue>
void panel(const Activations& activations, int chunks, const int8_t* weights, const int32_t* bias, int row, int column,
           Epilogue& epilogue) {
  Row sum[2][kRows];
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i) {
    sum[0][i] = {load(bias), load(bias + 8)};
    sum[1][i] = {load(bias + 16), load(bias + 24)};
  }
  for (int chunk = 0; chunk < chunks; ++chunk, weights += 2 * kTileBytes) {
#pragma GCC unroll 2
    for (int tile = 0; tile < 2; ++tile) {
      for (int step = 0; step < 16; ++step) {
        const int8_t* from = weights + tile * kTileBytes + step * 64;
        _mm_prefetch(reinterpret_cast<const char*>(from + kPrefetch), _MM_HINT_T0);
        const Widened left = widen_weights(from), right = widen_weights(from + 32);
#pragma GCC unroll 2
        for (int i = 0; i < kRows; ++i) {
          const Widened a = activations(i, chunk, step);
          sum[tile][i].left = add_products(sum[tile][i].left, a, left);
          sum[tile][i].right = add_products(sum[tile][i].right, a, right);
        }
      }
    }
  }
#pragma GCC unroll 2
  for (int tile = 0; tile < 2; ++tile) {
    epilogue.start_columns(column + tile * kRowColumns);
    epilogue.store(row, sum[tile][0], sum[tile][kRows - 1]);
  }
}

// All panels of columns first .. last - 1 for the one or two rows that are left.
template <class Activations, class Epilogue>
void panels(const Gemm& gemm, const Activations& activations, int row, int first, int last, Epilogue& epilogue) {
  for (int column = first; column < last; column += kPanelColumns) {
    const int8_t* weights = gemm.b + static_cast<ptrdiff_t>(column) * gemm.depth;
    const int32_t* bias = gemm.bias + column;
    const int chunks = gemm.depth / kTileDepth;
    if (gemm.rows - row == 1) {
      panel<1>(activations, chunks, weights, bias, row, column, epilogue);
    } else {
      panel<2>(activations, chunks, weights, bias, row, column, epilogue);
    }
  }
}

// The product for columns first .. last - 1: few enough for their weights to stay in the second-level cache.
template <class Activations, class Epilogue>
void columns(const Gemm& gemm, int first, int last, Epilogue& epilogue) {
  const int chunks = gemm.depth / kTileDepth;
  for (int row = 0; row < gemm.rows; row += kBlockRows) {
    const Activations activations(gemm, row);
    if (gemm.rows - row <= 2) {
      panels(gemm, activations, row, first, last, epilogue);
      continue;
    }
    for (int column = first; column < last; column += kRowColumns) {
      const int panel_column = column / kPanelColumns * kPanelColumns, tile = column % kPanelColumns / kRowColumns;
      const int8_t* weights = gemm.b + static_cast<ptrdiff_t>(panel_column) * gemm.depth + tile * kTileBytes;
      const Row bias = {load(gemm.bias + column), load(gemm.bias + column + 8)};
      epilogue.start_columns(column);
      block<kBlockRows>(activations, chunks, weights, bias, row, epilogue);
    }
  }
}

struct Products {
  template <class Epilogue, class Output>
  static void product(const Gemm& gemm, const Output& output) {
    Epilogue epilogue(gemm, output);
    for (int first = 0; first < gemm.columns; first += kColumnsPerPass) {
      const int last = first + kColumnsPerPass < gemm.columns ? first + kColumnsPerPass : gemm.columns;
      if (gemm.four_bit.codes) {
        four_bit_columns(gemm, first, last, epilogue);
      } else if (gemm.depth <= WidenedRows::kDepth) {
        columns<WidenedRows>(gemm, first, last, epilogue);
      } else {
        columns<TileRows>(gemm, first, last, epilogue);
      }
    }
  }
};

}  // namespace

void install_gemm_avx2(KernelTable& table);
void install_gemm_avx2(KernelTable& table) { write_table<Products>(table); }

}  // namespace octavo::kernels
