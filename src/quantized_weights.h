// Weights of one fused product in integers: rounded, packed in panels, with bias and multipliers per column.
#pragma once

#include <string>
#include <vector>

#include "fixed_point.h"
#include "float_rows.h"
#include "octavo/calibration.h"
#include "octavo/tensor.h"
#include "quantized.h"

namespace octavo {

/// Weight scales of a block's rows: absmax / 127, of each row or of all; larger where a bias would not fit.
std::vector<float> weight_scales(const FloatRows& rows, WeightScales scales, double input_scale);

/// A block to be packed: its rows, and what one output code is worth.
struct BlockRows {
  FloatRows rows;
  double output_scale = 1.0;
  Encoding encoding;  ///< of the output, as it is stored
};

/// Collects the blocks of a product of one u8 input.
class WeightPacker {
 public:
  /// `input`: quantizer of the product's input. Per input, whether it carries the zero point (empty: all do; the later ones of
  /// saturating copies do not).
  WeightPacker(int inputs, const Quantizer& input, WeightScales scales, std::vector<bool> carries_zero_point = {});

  /// Appends blocks that share one shift (fixed-point.md 2), each from a panel boundary on.
  std::vector<QuantizedBlock> add(const std::vector<BlockRows>& blocks);

  int depth() const { return depth_; }

  /// s8 [columns, depth] packed, s32 [columns], s32 [columns]; columns padded to panels.
  Tensor weight() const;
  Tensor bias() const;
  Tensor multiplier() const;

 private:
  /// Rounds and packs one block; gives the real multiplier of each of its columns.
  std::vector<double> pack_block(int first_column, const BlockRows& block);
  void pack_row(int column, const FloatRows& rows, int row, float scale);

  int inputs_, depth_;
  Quantizer input_;
  WeightScales scales_;
  std::vector<bool> carries_zero_point_;
  std::vector<std::int8_t> packed_;
  std::vector<std::int32_t> bias_, multiplier_;
};

}  // namespace octavo
