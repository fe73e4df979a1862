// Integer constants of everything that is not a product: embedding tables, LayerNorm lanes, GELU pieces.
#pragma once

#include "base/fixed_point.h"
#include "graph/graph.h"
#include "graph/quantized.h"
#include "quantize/quantized_weights.h"

#include "octavo/tensor.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// An embedding table in s8 with one scale per row (fixed-point.md 8).
class ByteTable {
 public:
  ByteTable(std::vector<std::int8_t> codes, std::vector<float> scales, int columns);

  Tensor codes() const;

  /// Smallest step of the sum for which every row's Q15 multiplier stays below 2^22.
  double smallest_step() const;

  double largest_scale() const;

  /// What the codes leave of `rows`, of which they were made.
  std::vector<float> rest(std::vector<float> rows) const;

  /// round(scale / step * 2^15) per row.
  Tensor multipliers(double step) const;

 private:
  std::vector<std::int8_t> codes_;
  std::vector<float> scales_;
  int columns_;
};

/// With `per_tensor` all rows have the scale of the largest.
ByteTable byte_table(const std::vector<float>& rows, int columns, const std::string& name, bool per_tensor = false);

/// E = round(eps * D^2 / S_x^2), at most 2^58 (fixed-point.md 4).
std::int64_t norm_epsilon(double epsilon, std::size_t columns, double input_scale);

struct NormGains {
  std::vector<double> gain, bias;
};

struct NormOutputConstants {
  Tensor gain, offset;  ///< s32 [columns]
  int shift = 1;
};

/// g = round(gain / S_out * 2^G), b = round((bias / S_out + z + 1/2) * 2^(G - 10)) with the largest G that fits
/// (fixed-point.md 4).
NormOutputConstants norm_output(const NormGains& gains, const Quantizer& out, const std::string& name);

/// GELU, another activation of its kind, or ReLU, in 16-bit pieces (fixed-point.md 7) for an output quantizer of these
/// codes; `columns` counts copies.
struct GeluConstants {
  int fraction_bits = 0, limit = 1, normalize = 0, inverse = 0;
  int fine_bits = 0;           ///< of those asked for, as many as there are
  double step = 1.0;           ///< u: what one step of the pre-activation is worth
  Tensor base, slope, offset;  ///< s16 [32], [32], [columns padded to panels]
};
GeluConstants gelu_constants(Activation activation, const Quantizer& out, const InputCodes& codes, int columns);

/// Rows (neurons) or columns (inputs) repeated: copies of one stand next to each other.
FloatRows repeat_rows(const FloatRows& rows, const std::vector<int>& channel_splits);
FloatRows repeat_columns(const FloatRows& rows, const std::vector<int>& channel_splits);

}  // namespace octavo
