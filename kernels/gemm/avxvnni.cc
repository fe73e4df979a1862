// GEMM on vpdpbusd with 256-bit registers, for CPUs with AVX-VNNI but without AVX-512: one instruction is four steps of
// depth for 8 columns.
//
// A block is 6 rows x 16 columns: 12 accumulators, enough to hide the latency of vpdpbusd, and two registers of
// weights. Of the 16 rows of a tile two blocks take 6 and one takes 4. The weights of 16 columns stay in the cache
// while all rows pass them.
#include "kernels/gemm/four_bit_256.h"
#include "kernels/gemm/four_bit_panel.h"

namespace octavo::kernels {
namespace {

// Bytes ahead in the weights of few rows: the processor's own prefetch stops at every page.
constexpr int kPrefetch = 4096;

// The activations of four steps of depth of one row.
__m256i four(const uint8_t* a) {
  int32_t bytes;
  __builtin_memcpy(&bytes, a, 4);
  return _mm256_set1_epi32(bytes);
}

__m256i add_products(__m256i sum, __m256i activations, __m256i weights) {
  return _mm256_dpbusd_avx_epi32(sum, activations, weights);
}

const uint8_t* first_activations(const Gemm& gemm, int row) {
  return gemm.a + static_cast<ptrdiff_t>(row / kTileRows) * gemm.depth * kTileRows + row % kTileRows * kTileDepth;
}

// Rows row .. row + kRows - 1, which lie in one tile, of 16 columns, whose weights are every second tile from
// `weights`.
template <int kRows, class Epilogue>
void block(const Gemm& gemm, const int8_t* weights, Row bias, int row, const Epilogue& epilogue) {
  const uint8_t* a = first_activations(gemm, row);
  Row sum[kRows];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) sum[i] = bias;
  for (int chunk = 0; chunk < gemm.depth / kTileDepth; ++chunk, a += kTileBytes, weights += 2 * kTileBytes) {
#pragma GCC unroll 4
    for (int step = 0; step < 16; ++step) {
      const __m256i left = load(weights + step * 64), right = load(weights + step * 64 + 32);
#pragma GCC unroll 6
      for (int i = 0; i < kRows; ++i) {
        const __m256i activations = four(a + i * kTileDepth + step * 4);
        sum[i].left = add_products(sum[i].left, activations, left);
        sum[i].right = add_products(sum[i].right, activations, right);
      }
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; i += 2) epilogue.store(row + i, sum[i], sum[i + 1]);
}

// 16 columns of rows, whose weights are every second tile from `weights`. The last rows that are no whole block take
// the smallest block that holds them: a tile's rows all exist.
template <class Epilogue>
void block_of_columns(const Gemm& gemm, const int8_t* weights, int column, int rows, Epilogue& epilogue) {
  const Row bias = {load(gemm.bias + column), load(gemm.bias + column + 8)};
  epilogue.start_columns(column);
  for (int first = 0; first < rows; first += kTileRows) {
    const int count = rows - first;
    block<6>(gemm, weights, bias, first, epilogue);
    if (count > 6) block<6>(gemm, weights, bias, first + 6, epilogue);
    if (count > 12) block<4>(gemm, weights, bias, first + 12, epilogue);
  }
}

// All rows but the one or two last ones of a batch, by 16 columns.
template <class Epilogue>
void blocks(const Gemm& gemm, int rows, Epilogue& epilogue) {
  for (int column = 0; column < gemm.columns; column += kRowColumns) {
    const int panel_column = column / kPanelColumns * kPanelColumns, tile = column % kPanelColumns / kRowColumns;
    const int8_t* weights = gemm.b + static_cast<ptrdiff_t>(panel_column) * gemm.depth + tile * kTileBytes;
    block_of_columns(gemm, weights, column, rows, epilogue);
  }
}

// One tile of weights, times one or two rows; steps of depth take turns at kParts sums, which hides the latency of
// vpdpbusd.
template <int kRows, int kParts>
void add_tile(const uint8_t* a, const int8_t* tile, Row (&sum)[kRows][kParts]) {
#pragma GCC unroll 16
  for (int step = 0; step < 16; ++step) {
    _mm_prefetch(reinterpret_cast<const char*>(tile + kPrefetch + step * 64), _MM_HINT_T0);
    const __m256i left = load(tile + step * 64), right = load(tile + step * 64 + 32);
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
      const __m256i activations = four(a + i * kTileDepth + step * 4);
      Row& to = sum[i][step % kParts];
      to.left = add_products(to.left, activations, left);
      to.right = add_products(to.right, activations, right);
    }
  }
}

// The one or two last rows of one panel: its weights are read once and in order, which is what a step of decoding waits
// for.
template <int kRows, class Epilogue>
void last_rows(const Gemm& gemm, int row, int column, Epilogue& epilogue) {
  constexpr int kParts = 2 / kRows;
  const int8_t* panel = gemm.b + static_cast<ptrdiff_t>(column) * gemm.depth;
  const uint8_t* a = first_activations(gemm, row);
  Row sum[2][kRows][kParts] = {};
  for (int chunk = 0; chunk < gemm.depth / kTileDepth; ++chunk, a += kTileBytes, panel += 2 * kTileBytes) {
    add_tile(a, panel, sum[0]);
    add_tile(a, panel + kTileBytes, sum[1]);
  }
#pragma GCC unroll 2
  for (int tile = 0; tile < 2; ++tile) {
    const int first = column + tile * kRowColumns;
    const Row bias = {load(gemm.bias + first), load(gemm.bias + first + 8)};
    Row total[kRows];
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
      total[i] = bias;
#pragma GCC unroll 2
      for (int part = 0; part < kParts; ++part) {
        total[i].left = _mm256_add_epi32(total[i].left, sum[tile][i][part].left);
        total[i].right = _mm256_add_epi32(total[i].right, sum[tile][i][part].right);
      }
    }
    epilogue.start_columns(first);
    epilogue.store(row, total[0], total[kRows - 1]);
  }
}

// 4-bit weights: few rows read the codes as they are, more rows a panel of s8 weights.
template <class Epilogue>
void four_bit_product(const Gemm& gemm, Epilogue& epilogue) {
  if (gemm.rows <= kFourBitRows) return four_bit_columns(gemm, 0, gemm.columns, epilogue);
  for (int column = 0; column < gemm.columns; column += kPanelColumns) {
    const int8_t* panel = unpacked_panel(gemm, column);
    for (int tile = 0; tile < 2; ++tile)
      block_of_columns(gemm, panel + tile * kTileBytes, column + tile * kRowColumns, gemm.rows, epilogue);
  }
}

struct Products {
  template <class Epilogue, class Output>
  static void product(const Gemm& gemm, const Output& output) {
    Epilogue epilogue(gemm, output);
    if (gemm.four_bit.codes) return four_bit_product(gemm, epilogue);
    const int few = gemm.rows % kTileRows <= 2 ? gemm.rows % kTileRows : 0, row = gemm.rows - few;
    blocks(gemm, row, epilogue);
    for (int column = 0; few > 0 && column < gemm.columns; column += kPanelColumns) {
      if (few == 1)
        last_rows<1>(gemm, row, column, epilogue);
      else
        last_rows<2>(gemm, row, column, epilogue);
    }
  }
};

}  // namespace

void install_gemm_avxvnni(KernelTable& table);
void install_gemm_avxvnni(KernelTable& table) { write_table<Products>(table); }

}  // namespace octavo::kernels
