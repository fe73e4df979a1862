// Products of 4-bit weights with 256-bit registers. Included by avx2.cc, and by avxvnni.cc for few rows.
//
// vpmaddubsw adds two products of a u8 activation and a code of 0..15 in 16 bits, where 32 steps of depth fit: with
// lanes of a pair of steps each, their sum starts with -8 times the sum of the lane's activations A, at least -8 * 16 *
// 255 = -32640, and stays between that and 7 A, at most 28560. So it ends as the sum of activations times signed codes,
// and vpmaddwd multiplies it by the group's multiplier as it widens it.
#pragma once

#include "kernels/gemm/epilogues.h"
#include "kernels/gemm/four_bit.h"

namespace octavo::kernels {
namespace {

constexpr int kFourBitRows = 4;                   // of a block
constexpr int kGroupSteps = kGroupDepth / 4;      // of four of depth
constexpr int kGroupBytes = kGroupSteps * 64;     // of codes of a panel
constexpr int kMostGroups = 32768 / kGroupDepth;  // of a product
constexpr int kTileGroups = kTileDepth / kGroupDepth;

// -8 times the sums of a group's activations, of each lane: a pair of s16.
int32_t group_start(const uint8_t* a) {
  const __m256i sums = _mm256_maddubs_epi16(load(a), _mm256_set1_epi8(8));
  __m128i pairs = _mm_add_epi16(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  pairs = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, 0b01001110));
  pairs = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, 0b10110001));
  return _mm_cvtsi128_si32(_mm_sub_epi16(_mm_setzero_si128(), pairs));
}

// Up to 4 rows of activations that lie in one tile, and what the sums of their groups start with.
class GroupedRows {
 public:
  GroupedRows(const Gemm& gemm, int row, int rows)
      : groups(gemm.depth / kGroupDepth),
        from_(gemm.a + static_cast<ptrdiff_t>(row / kTileRows) * gemm.depth * kTileRows +
              row % kTileRows * kTileDepth) {
    for (int i = 0; i < rows; ++i) {
      for (int group = 0; group < groups; ++group) start_[i][group] = group_start(of_group(group) + i * kTileDepth);
    }
  }
  /// The first row's activations; the next row is a tile's row further.
  const uint8_t* of_group(int group) const {
    return from_ + static_cast<ptrdiff_t>(group / kTileGroups) * kTileBytes + group % kTileGroups * kGroupDepth;
  }
  __m256i start(int row, int group) const { return _mm256_set1_epi32(start_[row][group]); }

  const int groups;

 private:
  const uint8_t* from_;
  int32_t start_[kFourBitRows][kMostGroups];
};

// Adds the products of kRows rows and of kHalves times 16 columns of a panel.
template <int kRows, int kHalves, bool kFirst>
void add_groups(const GroupedRows& rows, const uint8_t* codes, const int8_t* multiplier, Row (&sum)[kHalves][kRows]) {
  constexpr int kAhead = 2048;  // bytes in the codes: the processor's own prefetch stops at every page
  const __m256i low_half = _mm256_set1_epi8(15);
  for (int group = 0; group < rows.groups; ++group, codes += kGroupBytes, multiplier += kPanelColumns) {
    const uint8_t* a = rows.of_group(group);
    Row part[kHalves][kRows];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int half = 0; half < kHalves; ++half) part[half][i] = {rows.start(i, group), rows.start(i, group)};
    }
#pragma GCC unroll 8
    for (int step = 0; step < kGroupSteps; ++step) {
      if constexpr (kFirst) _mm_prefetch(reinterpret_cast<const char*>(codes + kAhead + step * 64), _MM_HINT_T0);
#pragma GCC unroll 2
      for (int half = 0; half < kHalves; ++half) {
        const __m256i both = load(codes + step * 64 + half * 32);
        const __m256i left = _mm256_and_si256(both, low_half),
                      right = _mm256_and_si256(_mm256_srli_epi16(both, 4), low_half);
#pragma GCC unroll 4
        for (int i = 0; i < kRows; ++i) {
          int32_t four;
          __builtin_memcpy(&four, a + i * kTileDepth + step * 4, 4);
          const __m256i activations = _mm256_set1_epi32(four);
          part[half][i].left = _mm256_add_epi16(part[half][i].left, _mm256_maddubs_epi16(activations, left));
          part[half][i].right = _mm256_add_epi16(part[half][i].right, _mm256_maddubs_epi16(activations, right));
        }
      }
    }
#pragma GCC unroll 2
    for (int half = 0; half < kHalves; ++half) {
      const __m256i left = multiplier_pairs(multiplier + half * 16),
                    right = multiplier_pairs(multiplier + half * 16 + 8);
#pragma GCC unroll 4
      for (int i = 0; i < kRows; ++i) {
        sum[half][i].left = _mm256_add_epi32(sum[half][i].left, _mm256_madd_epi16(part[half][i].left, left));
        sum[half][i].right = _mm256_add_epi32(sum[half][i].right, _mm256_madd_epi16(part[half][i].right, right));
      }
    }
  }
}

// kRows rows from `row` on, of kHalves times 16 columns from `column` on, within a panel.
template <int kRows, int kHalves, class Epilogue>
void four_bit_block(const Gemm& gemm, const GroupedRows& rows, int row, int column, Epilogue& epilogue) {
  const int half_column = column % kPanelColumns;
  const ptrdiff_t panel = static_cast<ptrdiff_t>(column - half_column) * gemm.depth;
  Row sum[kHalves][kRows];
#pragma GCC unroll 2
  for (int half = 0; half < kHalves; ++half) {
    const int32_t* bias = gemm.bias + column + half * kRowColumns;
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) sum[half][i] = {load(bias), load(bias + 8)};
  }
  add_groups<kRows, kHalves, kHalves == 2>(rows, gemm.four_bit.codes + panel / 2 + half_column * 2,
                                           gemm.four_bit.multiplier + panel / kGroupDepth + half_column, sum);
#pragma GCC unroll 2
  for (int half = 0; half < kHalves; ++half) {
    epilogue.start_columns(column + half * kRowColumns);
#pragma GCC unroll 2
    for (int i = 0; i < kRows; i += 2) epilogue.store(row + i, sum[half][i], sum[half][i + 1 < kRows ? i + 1 : i]);
  }
}

// The product for columns first .. last - 1, whole panels. One or two rows take a panel at once, whose codes are read
// once and in order.
template <class Epilogue>
void four_bit_columns(const Gemm& gemm, int first, int last, Epilogue& epilogue) {
  for (int row = 0; row < gemm.rows; row += kFourBitRows) {
    const int left = gemm.rows - row;
    const GroupedRows rows(gemm, row, left > 2 ? kFourBitRows : left);
    if (left == 1) {
      for (int column = first; column < last; column += kPanelColumns)
        four_bit_block<1, 2>(gemm, rows, row, column, epilogue);
    } else if (left == 2) {
      for (int column = first; column < last; column += kPanelColumns)
        four_bit_block<2, 2>(gemm, rows, row, column, epilogue);
    } else {
      for (int column = first; column < last; column += kRowColumns)
        four_bit_block<kFourBitRows, 1>(gemm, rows, row, column, epilogue);
    }
  }
}

}  // namespace
}  // namespace octavo::kernels
