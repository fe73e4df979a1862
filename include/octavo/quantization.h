// How a model is quantized: the options of a calibration, and the methods that they name.
#pragma once

#include <string>
#include <vector>

namespace octavo {

/// How a value's range is estimated from the batches observed.
enum class RangeMethod {
  minmax,          ///< smallest and largest value ever seen
  running_minmax,  ///< per batch, r = 0.9 r + 0.1 batch (method of the Quantizable Transformers paper)
  percentile,      ///< cuts off the tails of 8-bit values on both sides; 16-bit values keep min-max
  mse,             ///< least squared error of each 8-bit value; 16-bit values keep min-max
  automatic,  ///< per 8-bit value the candidate with the least error at the end of its attention or feed-forward block;
              ///< min-max throughout where that is closer to float32 on samples that are held out of the observation
};

/// One scale per output channel of a weight matrix, or one per matrix (the paper's setting).
enum class WeightScales { per_channel, per_tensor };

/// Attention probabilities relative to the largest of their row: in 255 steps, or in 16 bits, for rows in which many
/// small ones count, as beside an attention sink, at the price of a second product with V. Clipped and pruned ones and
/// softmax-1 have 255 steps always.
enum class ProbabilityType { uint8, uint16 };

/// The residual stream: 16 bits, or the paper's 8-bit sums.
enum class ResidualType { int16, int8 };

/// What the head that predicts the next token reads: 16-bit rows, exactly, or 8-bit ones at half the cost.
enum class HeadType { int16, int8 };

/// How scales (and shifts) per column of what a LayerNorm hands to the next product are found; weights take them up.
enum class EqualizeMethod {
  none,
  smoothquant,   ///< sqrt(max|X_j| / max|W_j|)
  os_plus,       ///< shift to the middle of each column, scale by a sweep over the output's error
  repq,          ///< a quantizer per column, turned into one
  power_of_two,  ///< SmoothQuant's scales, rounded up to powers of two
};

/// How weights become 8-bit codes.
enum class WeightRounding {
  nearest,
  compensated,  ///< a column's rounding error is made up for by the columns still to be rounded
};

/// Three bits more than 8, for the codes of a value of the graph or for the weights of the products that read it: each
/// makes those products longer by their own depth (docs/fixed-point.md 11). Of token embeddings, the codes are those of
/// words.
struct ExtraBits {
  std::string value;
  bool of_weights = false;

  bool operator==(const ExtraBits&) const = default;
};

/// What a calibration observes, and what it makes of that; the defaults lose least on ordinary checkpoints.
struct CalibrationOptions {
  RangeMethod method = RangeMethod::minmax;
  double percentile = 99.99;  ///< of RangeMethod::percentile, above 50
  WeightScales weights = WeightScales::per_channel;
  ResidualType residual = ResidualType::int16;
  HeadType head = HeadType::int16;
  ProbabilityType probabilities = ProbabilityType::uint8;
  EqualizeMethod equalize = EqualizeMethod::os_plus;
  int copies = 32;              ///< columns that saturating copies of GELU and ReLU neurons may add per layer; 0: none
  bool bias_correction = true;  ///< biases make up for what rounding takes from the outputs' means
  WeightRounding rounding = WeightRounding::compensated;
  std::vector<ExtraBits> extra_bits = {};  ///< what has them; Calibrator::extra_bits() tells what can

  /// The setting of the Quantizable Transformers paper, with every one of its quantizers, in integers: one scale per
  /// weight tensor, u8 with a static range everywhere, residual sums and probabilities included, running min-max while
  /// the quantizers are on. The other options are then without effect. It exists to compare with.
  bool paper = false;
};

}  // namespace octavo
