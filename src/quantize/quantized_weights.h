// Weights of one fused product in integers: rounded, packed in panels, with bias and multipliers per column.
#pragma once

#include "base/fixed_point.h"
#include "graph/quantized.h"
#include "observers/column_statistics.h"
#include "quantize/float_rows.h"

#include "octavo/quantization.h"
#include "octavo/tensor.h"

#include <string>
#include <vector>

namespace octavo {

/// How a product's input is coded (fixed-point.md 7, 11).
struct InputCodes {
  Quantizer quantizer;                   ///< of the first codes
  int columns = 0;                       ///< of the value
  std::vector<int> channel_splits = {};  ///< channel splits per column; empty: once
  Refined refined = {};
  std::vector<float> fine_mean = {},
                     rest_mean = {};  ///< per input: means of fine codes, and of what coarse codes leave, 0..7

  /// Columns with their copies.
  int inputs() const;

  /// Takes the means from what the value's columns were on samples; without them, values are taken to be spread evenly.
  void set_means(const ColumnStatistics* statistics);
};

/// Steps of the weights: with coarse codes there are eight in a scale.
inline int weight_steps(const Refined& refined) { return refined.coarse ? 1 << kCoarseShift : 1; }

/// The nearest weight that codes stand for, in steps of `scale`: with `steps` in a scale, or a whole multiple of the
/// 4-bit code's group.
float rounded_code(const FloatRows& rows, int row, int input, float weight, float scale, int steps = 1);

/// Weight scales of a block's rows: absmax / 127, of each row or of all; larger where a bias would not fit.
std::vector<float> weight_scales(const FloatRows& rows, WeightScales scales, double input_scale);

/// A block to be packed: its rows, and what one output code is worth.
struct BlockRows {
  FloatRows rows;
  double output_scale = 1.0;
  Encoding encoding;                       ///< of the output, as it is stored
  std::vector<double> column_scales = {};  ///< a column's code is worth that many output scales; empty: one
};

/// Collects the blocks of a product of one u8 input. Its weights have 4 bits where the rows have group multipliers: all
/// blocks' or none.
class WeightPacker {
 public:
  WeightPacker(InputCodes input, WeightScales scales);

  /// An input without channel splits or refinements.
  WeightPacker(int inputs, const Quantizer& input, WeightScales scales)
      : WeightPacker(InputCodes{.quantizer = input, .columns = inputs}, scales) {}

  /// Appends blocks that share one shift (fixed-point.md 2), each from a panel boundary on.
  std::vector<QuantizedBlock> add(const std::vector<BlockRows>& blocks);

  int depth() const { return depth_; }

  bool has_four_bits() const { return !group_multiplier_.empty(); }

  /// s8 [columns, depth] packed, s32 [columns], s32 [columns]; columns padded to panels. Of 4 bits u8 [columns, depth /
  /// 2], two codes in a byte, and s8 [columns, depth / 32].
  Tensor weight() const;
  Tensor group_multiplier() const;
  Tensor bias() const;
  Tensor multiplier() const;

 private:
  /// Rounds and packs one block; gives the real multiplier of each of its columns.
  std::vector<double> pack_block(int first_column, const BlockRows& block);
  void pack_row(int column, const FloatRows& rows, int row, float scale);
  void put(int column, int k, double code);

  InputCodes input_;
  int inputs_, depth_;
  WeightScales scales_;
  std::vector<bool> carries_zero_point_;  // by input: the later ones of channel splits do not
  std::vector<std::int8_t> packed_;
  std::vector<std::int8_t> group_multiplier_;  // of 4 bits
  std::vector<std::int32_t> bias_, multiplier_;
};

}  // namespace octavo
