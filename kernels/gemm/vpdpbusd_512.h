// Products on vpdpbusd with 512-bit registers: one instruction is four steps of depth for 16 columns. Included by
// avx512vnni.cc, and by amx.cc for few rows.
//
// A block is 8 rows x 32 columns: 16 accumulators, enough to hide the latency of vpdpbusd, and per step of depth two
// loads of weights and eight broadcasts of activations for sixteen products. A panel of 32 columns stays in the L1 or
// L2 cache while all blocks of rows pass it. The epilogue of a block has no dependence on the next one's products, so
// that the core overlaps them.
#pragma once

#include "kernels/gemm/epilogues.h"
#include "kernels/gemm/four_bit_panel.h"

namespace octavo::kernels {
namespace {

constexpr int kBlockRows = 8;
constexpr int kPrefetch = 4096;  // bytes ahead in the weights: the processor's own prefetch stops at every page, and is
                                 // misled by two tiles in turn

void prefetch(const int8_t* from) { _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T0); }

// The activations of steps of depth of one row, four bytes each.
__m512i four(const uint8_t* a) {
  int32_t bytes;
  __builtin_memcpy(&bytes, a, 4);
  return _mm512_set1_epi32(bytes);
}

const uint8_t* first_activations(const Gemm& gemm, int row) {
  return gemm.a + static_cast<ptrdiff_t>(row / kTileRows) * gemm.depth * kTileRows + row % kTileRows * kTileDepth;
}

// No code. A loop's sums end here, so that GCC 12 keeps each in one register; it copied and spilled them otherwise.
void settle(Row& sum) { __asm__("" : "+v"(sum.left), "+v"(sum.right)); }

// Rows row .. row + kRows - 1 of one panel; the first ones of a product fetch the weights, in the order of memory.
template <int kRows, bool kFirst, class Epilogue>
void block(const Gemm& gemm, const int8_t* panel, Row bias, int row, const Epilogue& epilogue) {
  const uint8_t* a = first_activations(gemm, row);
  Row sum[kRows];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) sum[i] = bias;
  for (int chunk = 0; chunk < gemm.depth / kTileDepth; ++chunk, a += kTileBytes, panel += 2 * kTileBytes) {
#pragma GCC unroll 4
    for (int step = 0; step < 16; ++step) {
      if constexpr (kFirst) {
        prefetch(panel + kPrefetch + step * 128);
        prefetch(panel + kPrefetch + step * 128 + 64);
      }
      const __m512i left = load(panel + step * 64), right = load(panel + step * 64 + kTileBytes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const __m512i activations = four(a + i * kTileDepth + step * 4);
        sum[i].left = _mm512_dpbusd_epi32(sum[i].left, activations, left);
        sum[i].right = _mm512_dpbusd_epi32(sum[i].right, activations, right);
      }
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) settle(sum[i]);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; i += 2) epilogue.store(static_cast<unsigned>(row + i), sum[i], sum[i + 1]);
}

// One tile of weights, times one or two rows; steps of depth take turns at kParts sums, which hides the latency of
// vpdpbusd.
template <int kRows, int kParts>
void add_tile(const uint8_t* a, const int8_t* tile, __m512i (&sum)[kRows][kParts]) {
#pragma GCC unroll 16
  for (int step = 0; step < 16; ++step) {
    prefetch(tile + kPrefetch + step * 64);
    const __m512i weights = load(tile + step * 64);
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
      sum[i][step % kParts] = _mm512_dpbusd_epi32(sum[i][step % kParts], four(a + i * kTileDepth + step * 4), weights);
    }
  }
}

// The one or two last rows of one panel: its weights are read once and in order, which is what a step of decoding waits
// for.
template <int kRows, class Epilogue>
void last_rows(const Gemm& gemm, const int8_t* panel, Row bias, int row, const Epilogue& epilogue) {
  constexpr int kParts = 4 / kRows;
  const uint8_t* a = first_activations(gemm, row);
  __m512i left[kRows][kParts] = {}, right[kRows][kParts] = {};
  for (int chunk = 0; chunk < gemm.depth / kTileDepth; ++chunk, a += kTileBytes, panel += 2 * kTileBytes) {
    add_tile(a, panel, left);
    add_tile(a, panel + kTileBytes, right);
  }
  Row sum[kRows];
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i) {
    sum[i] = bias;
#pragma GCC unroll 4
    for (int part = 0; part < kParts; ++part) {
      sum[i].left = _mm512_add_epi32(sum[i].left, left[i][part]);
      sum[i].right = _mm512_add_epi32(sum[i].right, right[i][part]);
    }
  }
  epilogue.store(static_cast<unsigned>(row), sum[0], sum[kRows - 1]);
}

// From the low and the high halves of codes, columns 0-7, 16-23 and 8-15, 24-31 of a panel, to its left and its right
// tile; and back.
Row swap_middle_columns(Row halves) {
  return {_mm512_shuffle_i64x2(halves.left, halves.right, 0b01000100),
          _mm512_shuffle_i64x2(halves.left, halves.right, 0b11101110)};
}

// One or two rows of one panel of 4-bit weights: the codes are read as they are, once and in order; the sums of a
// group, of magnitude up to 32 * 255 * 8, are multiplied at its end.
template <int kRows, class Epilogue>
void four_bit_rows(const Gemm& gemm, int column, Row bias, int row, const Epilogue& epilogue) {
  constexpr int kSteps = kGroupDepth / 4, kTileGroups = kTileDepth / kGroupDepth;
  const ptrdiff_t panel = static_cast<ptrdiff_t>(column) * gemm.depth;
  const uint8_t* codes = gemm.four_bit.codes + panel / 2;
  const int8_t* multiplier = gemm.four_bit.multiplier + panel / kGroupDepth;
  const uint8_t* a = first_activations(gemm, row);
  const __m512i low_half = _mm512_set1_epi8(15), zero_code = _mm512_set1_epi8(8);
  Row sum[kRows] = {};
  for (int group = 0; group < gemm.depth / kGroupDepth; ++group, multiplier += kPanelColumns) {
    const uint8_t* own =
        a + static_cast<ptrdiff_t>(group / kTileGroups) * kTileBytes + group % kTileGroups * kGroupDepth;
    Row part[kRows] = {};
#pragma GCC unroll 8
    for (int step = 0; step < kSteps; ++step, codes += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(codes + kPrefetch / 2), _MM_HINT_T0);
      const __m512i both = load(codes);
      const __m512i left = _mm512_sub_epi8(_mm512_and_si512(both, low_half), zero_code),
                    right = _mm512_sub_epi8(_mm512_and_si512(_mm512_srli_epi16(both, 4), low_half), zero_code);
#pragma GCC unroll 2
      for (int i = 0; i < kRows; ++i) {
        const __m512i activations = four(own + i * kTileDepth + step * 4);
        part[i].left = _mm512_dpbusd_epi32(part[i].left, activations, left);
        part[i].right = _mm512_dpbusd_epi32(part[i].right, activations, right);
      }
    }
    const auto multipliers = [&](int first) {
      return _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(multiplier + first)));
    };
    const Row by = swap_middle_columns({multipliers(0), multipliers(16)});
#pragma GCC unroll 2
    for (int i = 0; i < kRows; ++i) {
      sum[i].left = _mm512_add_epi32(sum[i].left, _mm512_mullo_epi32(part[i].left, by.left));
      sum[i].right = _mm512_add_epi32(sum[i].right, _mm512_mullo_epi32(part[i].right, by.right));
    }
  }
#pragma GCC unroll 2
  for (int i = 0; i < kRows; ++i) {
    const Row own = swap_middle_columns(sum[i]);
    sum[i] = {_mm512_add_epi32(bias.left, own.left), _mm512_add_epi32(bias.right, own.right)};
  }
  epilogue.store(static_cast<unsigned>(row), sum[0], sum[kRows - 1]);
}

// The s8 weights of a panel.
const int8_t* panel_of(const Gemm& gemm, int column) {
  if (gemm.four_bit.codes) return unpacked_panel(gemm, column);
  return gemm.b + static_cast<ptrdiff_t>(column) * gemm.depth;
}

// The last rows of a batch that are no whole block take the smallest block that holds them.
template <class Epilogue, class Output>
void vpdpbusd_product(const Gemm& gemm, const Output& output) {
  Epilogue epilogue(gemm, output);
  for (int column = 0; column < gemm.columns; column += kPanelColumns) {
    const Row bias = {load(gemm.bias + column), load(gemm.bias + column + 16)};
    epilogue.start_columns(column);
    if (gemm.four_bit.codes && gemm.rows <= 2) {
      if (gemm.rows == 1)
        four_bit_rows<1>(gemm, column, bias, 0, epilogue);
      else
        four_bit_rows<2>(gemm, column, bias, 0, epilogue);
      continue;
    }
    const int8_t* panel = panel_of(gemm, column);
    int row = 0;
    if (gemm.rows > kBlockRows / 2) {
      block<8, true>(gemm, panel, bias, 0, epilogue);
      row = kBlockRows;
    }
    for (; gemm.rows - row > kBlockRows / 2; row += kBlockRows) block<8, false>(gemm, panel, bias, row, epilogue);
    switch (gemm.rows - row) {
      case 4:
      case 3:
        block<4, true>(gemm, panel, bias, row, epilogue);
        break;
      case 2:
        last_rows<2>(gemm, panel, bias, row, epilogue);
        break;
      case 1:
        last_rows<1>(gemm, panel, bias, row, epilogue);
        break;
      default:
        break;
    }
  }
}

}  // namespace
}  // namespace octavo::kernels
