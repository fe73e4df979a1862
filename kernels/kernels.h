// What every kernel computes: integer arithmetic on plain arrays, one thread, no allocation, no failure.
//
// The scalar file of a family is the definition; every other instruction set gives the same bits for every input
// that keeps the contract. docs/fixed-point.md derives the arithmetic; section numbers below are its sections.
//
// Words: `>>` is the arithmetic (floor) shift; sat16, satu8 clamp to the type; mulhi32(a, b) = (a * b) >> 32 of two
// s32; mulhrs(a, b) = (a * b + 2^14) >> 15 of two s16; mulhu16(a, b) = (a * b) >> 16 of two u16.
#pragma once

#include "kernels/isa.h"
#include "kernels/layout.h"
#include "kernels/pooling.h"
#include "kernels/rows.h"

#include <stddef.h>
#include <stdint.h>

namespace octavo::kernels {

/// Weights of 4 bits (12): b[k][j] = (code[k][j] - 8) * multiplier[group of k][j], which an s8 holds. Codes are 0..15,
/// a group is 32 steps of depth.
struct FourBitWeights {
  const uint8_t* codes = nullptr;      ///< two in a byte, 64-byte aligned: [columns / 32][depth / 4][64]; see
                                       ///< code_index()
  const int8_t* multiplier = nullptr;  ///< -15..16: [columns / 32][depth / 32][32]
  int8_t* scratch = nullptr;           ///< 64-byte aligned, four_bit_scratch_bytes() long
};

/// Scratch that a product of 4-bit weights needs: a panel of s8 weights, which kernels of many rows multiply by.
constexpr size_t four_bit_scratch_bytes(int depth) { return static_cast<size_t>(depth) * kPanelColumns; }

/// The integer product that every linear layer is made of (2):
///   accumulator[i][j] = bias[j] + sum over k of a[i][k] * b[k][j], exact in s32.
/// Rows up to the next multiple of 16 must be readable in `a` and writable in the outputs; what is written in rows
/// beyond `rows` is unspecified. Bytes of `a` beyond the real depth meet zero weights.
struct Gemm {
  int rows;          ///< >= 1
  int columns;       ///< multiple of 32: whole panels
  int depth;         ///< multiple of 64, at most 32768
  const uint8_t* a;  ///< tile order, 64-byte aligned: [ceil(rows / 16)][depth / 64][16][64]
  const int8_t* b;   ///< packed panels, 64-byte aligned: [columns / 32][depth / 64][2][16][16 x 4]; see packed_index().
                     ///< Not read where the weights have 4 bits
  const int32_t* bias;           ///< [columns], zero points folded in, |bias| <= 2^30
  const int32_t* multiplier;     ///< [columns], in [0, 2^31)
  int shift;                     ///< 33..62, common to the layer
  int pre_shift = 0;             ///< 0..15; above 0 for real multipliers of 1/4 and more, where shift is 33
  FourBitWeights four_bit = {};  ///< in place of `b`, where it has codes
};

/// The one requantization rule (2): with p = pre_shift and acc = clamp(accumulator, -2^(31-p), 2^(31-p) - 1) << p,
///   r[i][j] = (acc * multiplier[j] + 2^(shift-1)) >> shift.
/// The epilogues below turn r into what the next op reads. The fast form (mulhi32(acc, m) + 2^(shift-33)) >> (shift-32)
/// is equal.

/// out = clamp(r + zero_point, low, high), stored as its low byte. u8 activations: [0, 255]; symmetric s8 K and V: zero
/// point 0, [-127, 127]; ReLU is low = zero_point. `out` is at column 0 of this product, 32-column groups aligned.
struct ToU8 {
  int32_t zero_point, low, high;
  ByteMatrix out;
};

/// GELU in 16-bit pieces (7): x = sat16(r) in steps of u = S_o / 2^fraction_bits;
///   p = min(mulhu16(min(|x|, limit) << normalize, inverse), 32767), c = p >> 10
///   t = base[c] + mulhrs(slope[c], (p & 1023) << 5)
///   v = sat16(sat16(max(x, 0) + t) + offset[j]),  out = satu8(v >> fraction_bits)
/// offset (<= 0, [columns]) makes the saturating copies; zero for ordinary columns. Where fine_bits > 0 (11) also
///   fine = min(max(v, 0), 255 << fraction_bits) >> (fraction_bits - fine_bits), its lowest fine_bits bits.
struct Gelu {
  int fraction_bits;  ///< 0..6
  uint16_t limit;     ///< 1..32768
  int normalize;      ///< 0..15, limit << normalize < 2^16
  uint16_t inverse;
  const int16_t* base;    ///< [32], 64-byte aligned
  const int16_t* slope;   ///< [32], 64-byte aligned
  const int16_t* offset;  ///< [columns]
  ByteMatrix out;
  int fine_bits = 0;     ///< 0..fraction_bits
  ByteMatrix fine = {};  ///< as out; where fine_bits > 0
};

/// Residual add (3), in place on the s16 stream: stream = sat16(sat16(r) + stream).
struct AddToS16 {
  int16_t* stream;   ///< row-major, at column 0 of this product
  ptrdiff_t stride;  ///< elements between rows, at least columns
};

/// The 8-bit residual sum of static W8A8 (3), on codes held without zero point in the s16 stream:
///   a = clamp(r + zero_point, 0, 255) - zero_point
///   stream = clamp((a * product_multiplier + stream * stream_multiplier + 2^19) >> 20, low, high)
/// |multipliers| <= 2^22, low = -z, high = 255 - z of the sum's encoding. |stream| <= 255 on entry; columns of padding
/// may hold anything, and wrap.
struct AddToU8 {
  int32_t zero_point;
  int32_t product_multiplier, stream_multiplier;
  int32_t low, high;
  int16_t* stream;
  ptrdiff_t stride;
};

/// out = sat16(r + zero_point): gate logits, ViT patches.
struct ToS16 {
  int32_t zero_point;
  int16_t* out;      ///< row-major
  ptrdiff_t stride;  ///< elements between rows
};

/// out = accumulator, not requantized: logits, whose scale is known per column.
struct ToS32 {
  int32_t* out;      ///< row-major
  ptrdiff_t stride;  ///< elements between rows
};

/// Probabilities of few values (5 d), geometric steps apart from the pruning threshold on. Row mode (5 b) with the
/// codes
///   code[top - k] for the largest k with e' > (Z * edge[k] + 2^30) >> 31, 0 when there is none,
/// where top is that k of the largest e' there can be, and with (multiplier, shift)[top] as the row's.
constexpr int kMostLevels = 15;
struct AttentionLevels {
  int count;                        ///< 1..kMostLevels
  uint32_t edge[kMostLevels];       ///< ascending, [0, 2^31): round(p / (zeta - gamma) * 2^31)
  uint8_t code[kMostLevels];        ///< of a value that many steps below the row's top
  int32_t multiplier[kMostLevels];  ///< m0 of the value times the context's, [2^30, 2^31)
  int shift[kMostLevels];           ///< 33..62
};

/// Constants of one attention layer, common to its sequences and heads (5, 6).
struct AttentionConstants {
  int head_size;              ///< d_head: multiple of 4, 4..256
  bool causal;                ///< query i sees keys 0 .. past + i
  int32_t query_zero_point;   ///< 0..255
  uint16_t score_multiplier;  ///< m16 in [2^15, 2^16): score -> log2 distance in Q5.11
  int score_shift;            ///< k in -8..23: t' = min(t >> k, 65535), or min(t << -k, 65535) when k < 0
  bool clipped;               ///< row mode (5 b) instead of the plain one (5 a): clipped, sinks, pruned, levels
  int32_t theta;              ///< TH = round(-gamma / (zeta - gamma) * 2^31), [0, 2^31)
  uint32_t cap;               ///< CP = round(2^31 / (zeta - gamma)), at most 2^31
  int32_t multiplier;         ///< m0 of the context, [2^30, 2^31)
  int shift;                  ///< s0; after the row's part it must lie in 33..62
  int32_t zero_point;         ///< of the context, 0..255; with fine codes 0..2040
  int gate_fraction;          ///< F of gates per element, 0..3; else 0
  int32_t least_top;  ///< beside a sink (5 c), at least this is what codes are relative to: 0; 32767 as files of
                      ///< before have it
  uint32_t prune;     ///< PR = round(tau / (zeta - gamma) * 2^31), [0, 2^31): e' up to Z * PR is 0; clipped only
  const AttentionLevels* levels;   ///< clipped only; null: 255 equal steps
  bool u16_probabilities = false;  ///< row mode with 16-bit probabilities (5 e); not with clipped
};

/// Largest magnitude of what is added to a score. The least bias hides a key, whose e is 0 then, where score_shift is
/// not above kLargestMaskedShift.
constexpr int32_t kLargestScoreBias = 1 << 28;
constexpr int kLargestMaskedShift = 11;

/// Attention of one head over one sequence, for queries first_query .. first_query + queries - 1 (5, 6):
///   score + bias -> t = max over visible keys - score -> e = 2^-u in Q15 -> u8 probabilities -> context
///   context = clamp(((sum_j p_j v_j) * m_r + 2^(s_r - 1)) >> s_r) + zero_point, 0, 255)
/// with the row's own (m_r, s_r); the gate multiplies m_r. With a gate per element, g in Q15,
///   y = mulhrs(sat16((sum_j p_j v_j * m_r + 2^(s_r - 1)) >> s_r), g)
///   context = clamp(sat16(y + (zero_point << F) + (2^F >> 1)) >> F, 0, 255).
/// 16-bit probabilities p = 256 h + l are e itself, and the sum
/// is
///   sum_j h_j v_j + ((sum_j l_j v_j + 128) >> 8). With fine codes (11) the clamp is to [0, 2047], and of that code c
/// context = c >> 3, fine = c & 7. Row pointers are at the head's first column of a first row: of keys and
/// values that of the sequence, of queries that of the first token behind the `past` ones, whose keys and values were
/// there before. No byte outside these rows and the head's columns is read or written.
struct Attention {
  const AttentionConstants* constants;
  int length;                ///< keys of the sequence, 1..65536: past, and one per query row
  int first_query, queries;  ///< rows of q
  const uint8_t* q;
  const int8_t* k;
  const int8_t* v;
  ptrdiff_t stride;                  ///< bytes between rows of q
  ptrdiff_t key_stride;              ///< bytes between rows of k, and of v
  const int16_t* gate;               ///< logits in steps of 2^-11 of this head, one per row, or gates; null: no gate
  ptrdiff_t gate_stride;             ///< elements between rows of gate; 0: one for all
  ByteMatrix context;                ///< of the whole batch
  ptrdiff_t context_row;             ///< row of the sequence's first token in context
  int context_column;                ///< of the head's first column in context
  void* scratch;                     ///< 64-byte aligned, attention_scratch_bytes() long
  int past = 0;                      ///< tokens of the sequence before the first row of q
  uint8_t* probabilities = nullptr;  ///< [rows of q][length], where codes that a query sees are to be left for a look,
                                     ///< of 16 bits a 256th, up: the scalar kernel alone does that; null: nowhere
  ByteMatrix fine = {};              ///< as context; null data: no fine codes
  const int32_t* bias = nullptr;  ///< added to the score of query i and key j: bias[i * bias_stride + j]; null: none.
                                  ///< Readable for keys up to the next multiple of 32
  ptrdiff_t bias_stride = 0;      ///< elements; -1 where it depends on j - i alone
  const int32_t* sink = nullptr;  ///< score of one key more that every query of the head sees, and which has no value
                                  ///< (5 c), of magnitude up to kLargestScoreBias; null: none; clipped only
  bool gate_is_logit = true;      ///< else `gate` holds gates in Q15, 0..32767
  const int16_t* element_gate = nullptr;  ///< gates in Q15, 0..32767: that of row i and column d of the head is
                                          ///< element_gate[i * element_gate_stride + d]; null: none
  ptrdiff_t element_gate_stride = 0;      ///< elements
};

/// Most queries of a step of decoding: such a call reads keys and values as they lie, and threads can split its keys.
constexpr int kDecodeQueries = 2;

/// A split of the keys of a call of up to kDecodeQueries queries (split-KV, flash decoding). All splits of a phase are
/// done before the next phase begins; then the bits are those of the whole call. The call's scratch is common to the
/// splits.
struct AttentionSplit {
  enum Phase {
    scores,         ///< of the split's keys
    probabilities,  ///< of all keys; one split
    sums,           ///< of the split's values
    context,        ///< from the sums of all splits; one split
  };
  Phase phase;
  int split, splits;    ///< the same number in all phases, at most one for each 64 keys
  int first_key, keys;  ///< the split's keys, from split_begin() on, whether seen or not; in the other phases all
};

/// The first key of a split of `length` keys, a multiple of 64; of split `splits`, where the last one ends.
constexpr int split_begin(int length, int split, int splits) {
  const int units = (length + 63) / 64, key = static_cast<int>(int64_t{units} * split / splits) * 64;
  return key < length ? key : length;
}

/// Scratch one attention call needs: packed K and V, or the sums of splits; and a block of up to 16 queries' scores and
/// probabilities. One formula for all instruction sets, generous, so that src/ need not know which runs.
constexpr size_t attention_scratch_bytes(int length, int head_size) {
  const size_t keys = (static_cast<size_t>(length) + 63) / 64 * 64,
               size = (static_cast<size_t>(head_size) + 63) / 64 * 64;
  return 2 * keys * size + keys * 8 + 16 * keys * (4 + 2 + 1) + 16 * size * 4 + 4096;
}

/// The static quantizers of W8A8 inside attention (9), the paper's setting, without fine codes. With asymmetric K and
/// V, and scores and probabilities in u8, and a sink whose score is a code, 0..255:
///   score = clamp(requantized sum_d (q_d - z_q)(k_d - z_k) + z_s, 0, 255), t = largest visible score - score
///   Z = sum exponential[t], R = (slope << 24) / Z
///   p = clamp((exponential[t] * R + (offset << 24) + 2^45) >> 46, 0, most)
///   context as above with sum_j p_j (v_j - z_v) and the layer's own multiplier and shift, gated.
struct StaticW8A8Attention {
  int32_t key_zero_point, value_zero_point;  ///< -128..127
  int32_t score_multiplier;                  ///< [0, 2^31)
  int score_shift;                           ///< 18..62
  int32_t score_zero_point;                  ///< 0..255
  const int32_t* exponential;                ///< [256], descending from 2^24
  int64_t slope;                             ///< round((zeta - gamma) / step of p * 2^22), 1..2^38
  int64_t offset;                            ///< round(gamma / step of p * 2^22), -slope..0
  int32_t most;                              ///< code of probability 1, at most 255
};

/// Attention whose probabilities are multiplied by a factor of the key's distance (5 h), with 16-bit probabilities e:
///   w_j = mulhrs(e_j, factor[j - i]),  sum = (sum_j w_j v_j + 128) >> 8
/// in place of theirs; the row's multiplier still divides by sum_j e_j. `factor` is that of distance 0 of a call
/// without tokens of the past: Q15, -32767..32767, readable from distance 1 - length to length - 1.
struct AttentionFactors {
  const int16_t* factor;
};

/// The constants of one output of a LayerNorm (4): out = clamp((mulhi32(n, gain[j]) + offset[j]) >> shift, low, high),
/// n the normalised value in Q22. Zero point and rounding are inside `offset`.
struct NormConstants {
  const int32_t* gain;    ///< [columns]; null: the output does not exist
  const int32_t* offset;  ///< [columns]
  int shift;              ///< 1..30
  int32_t low, high;
};

constexpr int kMostOutlierColumns = 8, kLargestOutlierShift = 6;

/// The columns of a sum whose values are many times those of the others (3): a code is worth 2^shift steps there.
struct OutlierColumns {
  int count = 0;                         ///< 0..kMostOutlierColumns
  int column[kMostOutlierColumns] = {};  ///< ascending
  int shift[kMostOutlierColumns] = {};   ///< 1..kLargestOutlierShift
};

/// Integer LayerNorm (4) over rows of the s16 stream, two outputs: u8 for the next GEMM and s16 for the stream. Columns
/// past `columns` of the last 64-byte chunk of u8 are left alone. An RMSNorm takes the sum of a row as 0.
struct LayerNorm {
  int rows, columns;    ///< columns 1..8192
  const int16_t* in;    ///< row-major
  ptrdiff_t in_stride;  ///< elements between rows
  int64_t epsilon;      ///< E = round(eps * D^2 / S_x^2), 0..2^58
  NormConstants u8;
  ByteMatrix u8_output;
  NormConstants s16;
  int16_t* s16_output;  ///< row-major; may equal `in`
  ptrdiff_t s16_stride;
  OutlierColumns outliers = {};  ///< of `in`
  bool rms = false;
};

/// One table of an embedding sum: s8 rows, each with its multiplier in Q15 of the sum's step.
struct EmbeddingTable {
  const int8_t* rows;         ///< [count][columns]
  const int32_t* multiplier;  ///< [count], |multiplier| < 2^22, of a fourth table < 2^21: then all sums fit 32 bits
  const int32_t* index;       ///< [rows of the batch], already checked against count
};

/// Sum of up to four embedding rows (8, 11): out = sat16((sum over tables of row * multiplier + 2^14) >> 15).
struct EmbeddingSum {
  int rows, columns;
  int tables;  ///< 1..4
  EmbeddingTable table[4];
  int16_t* out;  ///< row-major
  ptrdiff_t stride;
};

/// The two static quantizers of an embedding sum of W8A8 (9), of codes without zero point. Tables are words, positions,
/// types, with multipliers in Q20 of the step of the sum that they go into, |multiplier| <= 2^22:
///   partial = clamp((words + types + 2^19) >> 20, partial_low, partial_high)
///   out = clamp((partial * partial_multiplier + positions + 2^19) >> 20, low, high)
struct StaticW8A8EmbeddingSum {
  int32_t partial_low, partial_high;
  int32_t partial_multiplier;  ///< 0..2^22
  int32_t low, high;
};

/// Sum over rows: out[j] = sum over i of in[i][j], exact in s32 (rows <= 65536). Mean pooling before its division.
struct ColumnSum {
  int rows, columns;
  const int16_t* in;  ///< row-major
  ptrdiff_t stride;
  int32_t* out;  ///< [columns]
};

/// The kernels of one choice of instruction sets. Every slot is filled.
struct KernelTable {
  void (*gemm_to_u8)(const Gemm&, const ToU8&);
  void (*gemm_gelu)(const Gemm&, const Gelu&);
  void (*gemm_add_to_s16)(const Gemm&, const AddToS16&);
  void (*gemm_add_to_u8)(const Gemm&, const AddToU8&);
  void (*gemm_to_s16)(const Gemm&, const ToS16&);
  void (*gemm_to_s32)(const Gemm&, const ToS32&);
  void (*attention)(const Attention&);
  void (*attention_split)(const Attention&, const AttentionSplit&);
  void (*layer_norm)(const LayerNorm&);
  void (*embedding_sum)(const EmbeddingSum&);
  void (*column_sum)(const ColumnSum&);
  void (*attention_static_w8a8)(const Attention&, const StaticW8A8Attention&);
  void (*attention_by_distance)(const Attention&, const AttentionFactors&);
  void (*embedding_sum_static_w8a8)(const EmbeddingSum&, const StaticW8A8EmbeddingSum&);
  // rows.h
  void (*split_s16)(const SplitS16&);
  void (*join_to_s32)(const JoinedRow&, int32_t* out);
  void (*join_to_s16)(const JoinedRow&, int16_t* out);
  void (*shift_s16)(const ShiftS16&);
  void (*requantize_s16)(const RequantizeS16&);
  void (*split_u11)(const SplitU11&);
  void (*shift_tiles)(const ShiftTiles&);
  void (*scale_s32)(const ScaleS32&);
  void (*activate_s16)(const ActivateS16&);
  void (*activate_gates)(const ActivateGates&);
  void (*gated_units)(const GatedUnits&);
  void (*rotate_heads)(const RotateHeads&);
  void (*divide_sums)(const DivideSums&);
  void (*mean_gate_logits)(const MeanGateLogits&);
  void (*copy_patch)(const CopyPatch&);
  void (*add_patch)(const AddPatch&);
  void (*copy_u8_row)(const CopyU8Row&);
  // pooling.h
  void (*copy_window)(const CopyWindow&);
  void (*largest_of_window)(const LargestOfWindow&);
  void (*weighted_mean)(const WeightedMean&);
};

/// The kernels to use when the choice is limited to `isa` and what it builds on (isas.inc). `isa` must be available;
/// where prepare() fails, the kernels are those that it builds on.
KernelTable table_for(Isa isa);

}  // namespace octavo::kernels
