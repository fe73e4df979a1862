// What the small kernels on rows compute: the integer loops between the products, and at both ends of a network. The
// words are those of kernels.h. Each may work in place where `out` may equal an input, and only there.
#pragma once

#include "kernels/layout.h"

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {

/// Rows of the s16 stream as pairs of u8 rows with zero point 128 (8): min(x, 32639) = 256 (high - 128) + (low - 128),
/// with row i's high codes in row 2i of `out` and its low ones in row 2i + 1.
struct SplitS16 {
  int rows, columns;
  const int16_t* in;  ///< row-major
  ptrdiff_t stride;   ///< elements between rows
  ByteMatrix out;
};

/// A product's accumulators of such a pair as one row, in steps of 32 of the exact sum:
///   out[j] = clamp(((8 high[j] + (low[j] >> 5)) * multiplier[j] + 2^(shift-1)) >> shift), clamped to the type of out.
/// `out` may be `high`.
struct JoinedRow {
  int columns;
  const int32_t *high, *low;
  const int32_t* multiplier;  ///< [columns], in [0, 2^31); |8 high| * multiplier < 2^62
  int shift;                  ///< 18..62
};

/// Rows of the stream in the scale of the next sum (3), in place: x = (x + 2^(shift-1)) >> shift.
struct ShiftS16 {
  int rows, columns;
  int16_t* data;     ///< row-major
  ptrdiff_t stride;  ///< elements between rows
  int shift;         ///< 1..15
};

/// Rows of the stream as u8 codes (8): clamp(((x * multiplier + 2^(shift-1)) >> shift) + zero_point, 0, 255).
struct RequantizeS16 {
  int rows, columns;
  const int16_t* in;   ///< row-major
  ptrdiff_t stride;    ///< elements between rows
  int32_t multiplier;  ///< in [0, 2^31)
  int shift;           ///< 1..62
  int32_t zero_point;  ///< 0..255
  ByteMatrix out;
};

/// Codes of 11 bits, 0..2047, as first codes, c >> 3, and fine codes, c & 7 (11).
struct SplitU11 {
  int rows, columns;
  const int16_t* in;  ///< row-major
  ptrdiff_t stride;   ///< elements between rows
  ByteMatrix out, fine;
};

/// Coarse codes of whole tiles of rows (11): out = in >> 3, byte by byte.
struct ShiftTiles {
  int tiles, columns;  ///< columns a multiple of 64
  const uint8_t* in;   ///< tile order
  uint8_t* out;        ///< tile order
  ptrdiff_t stride;    ///< bytes between tiles of both
};

/// The requantization rule into s32, for logits: out = clamp((in * multiplier + 2^(shift-1)) >> shift). `out` may be
/// `in` or lie before it.
struct ScaleS32 {
  int columns;
  const int32_t* in;
  const int32_t* multiplier;  ///< [columns], in [0, 2^31)
  int shift;                  ///< 18..62
  int32_t* out;
};

/// An activation of s16 codes by a table (8 b): with i = (in + 32768) >> 6 and r = (in + 32768) & 63,
///   out = (table[i] * (64 - r) + table[i + 1] * r + 32) >> 6. `out` may be `in`.
struct ActivateS16 {
  int columns;
  const int16_t* in;
  const int16_t* table;  ///< [1025]
  int16_t* out;
};

/// What makes a gate of its logit.
enum class GateFunction { sigmoid, softplus };

/// Gates of logits x in steps of 2^-11 (6). With a = min(|x|, 2^14), c = a >> 8 and the function's table S,
///   t = S[c] + (((S[c + 1] - S[c]) * (a & 255) + 128) >> 8)
///   sigmoid, Q15: t, for x < 0 2^15 - t;   softplus, Q12: min(2 max(x, 0) + t, 32767). `out` may be `in`.
struct ActivateGates {
  int rows, columns;
  GateFunction function;
  const int16_t* in;  ///< row-major
  int16_t* out;       ///< row-major
  ptrdiff_t stride;   ///< elements between rows of both
};

/// Gated linear units (7 b): with a the activation of a gate's code by a table, as in ActivateS16,
///   v = clamp(((a * up * multiplier + 2^(shift-1)) >> shift) + zero_point), from 0 to 255, or with fine codes to 2047,
/// and out = v, or with fine codes out = v >> 3 and fine = v & 7.
struct GatedUnits {
  int rows, columns;
  const int16_t* gate;   ///< row-major
  const int16_t* up;     ///< row-major; null: 1 everywhere
  ptrdiff_t stride;      ///< elements between rows of both
  const int16_t* table;  ///< [1025]
  int32_t multiplier;    ///< in [0, 2^31)
  int shift;             ///< 33..62
  int32_t zero_point;    ///< 0..255, with fine codes 0..2040
  ByteMatrix out;
  ByteMatrix fine = {};  ///< null data: no fine codes
};

/// Rotary positions (5 f) of heads whose columns x, y = j, j + head_size / 2 are pairs, by the angle of the row's
/// position and of j:
///   out[x] = clamp((((x * cosine - y * sine) * multiplier + 2^(shift-1)) >> shift) + zero_point, low, high)
///   out[y] = clamp((((y * cosine + x * sine) * multiplier + 2^(shift-1)) >> shift) + zero_point, low, high)
struct RotateHeads {
  int rows, heads, head_size;     ///< head_size even
  const int16_t* in;              ///< row-major
  ptrdiff_t stride;               ///< elements between rows
  const int16_t *cosine, *sine;   ///< [positions][head_size / 2] in Q15, of magnitudes whose sum is at most 46342
  const int32_t* position;        ///< [rows]
  int32_t multiplier;             ///< in [0, 2^31)
  int shift;                      ///< 33..62
  int32_t zero_point, low, high;  ///< low and high within 0..255 or -128..127
  uint8_t* out;                   ///< row-major; the low byte of a code
  ptrdiff_t out_stride;           ///< bytes between rows
};

/// Means of columns from their sums over `count` rows, rounded half up: floor((2 sum + count) / (2 count)).
struct DivideSums {
  int count, columns;
  const int32_t* sums;  ///< of s16 values
  int16_t* out;
};

/// One logit per head for all tokens of a sequence (6): mean = floor((2 sum + rows) / (2 rows)) of each column, then
/// sat16((mean * multiplier + 2^(shift-1)) >> shift).
struct MeanGateLogits {
  int rows, heads;
  const int32_t* in;          ///< accumulators, row-major
  ptrdiff_t stride;           ///< elements between rows
  const int32_t* multiplier;  ///< [heads], in [0, 2^31)
  int shift;                  ///< 18..62
  int16_t* out;               ///< [heads]
};

/// A patch of an image as one row: its rows of pixels, three bytes each, one after the other.
struct CopyPatch {
  const uint8_t* pixels;  ///< its first one
  ptrdiff_t stride;       ///< bytes between rows of the image
  int patch_size;
  ByteMatrix out;
  int row;  ///< of out
};

/// A row of the stream of an image: out = clamp(position + patch, low, high), without a patch the position alone.
struct AddPatch {
  int columns;
  const int16_t *position, *patch;  ///< patch may be null
  int32_t low, high;                ///< within s16
  int16_t* out;
};

/// Copies a row to columns first_column .. of row `to_row` of another matrix.
struct CopyU8Row {
  ByteMatrix from;
  int row, columns;
  ByteMatrix to;
  int to_row, first_column;
};

}  // namespace octavo::kernels
