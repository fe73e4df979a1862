// How a model is quantized: the options of a calibration, and the methods that they name.
#pragma once

#include <optional>
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
enum class ProbabilityType {
  automatic,  ///< uint16 where it leaves out 15 % or more of the error on the first 32 samples
  uint8,
  uint16
};

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

/// How weights become codes.
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

/// Which values have 8-bit quantizers.
enum class QuantizerPlacement {
  products,     ///< what products and attention read (docs/fixed-point.md)
  every_value,  ///< with static ranges, residual sums, scores and probabilities included: the setting of the
                ///< Quantizable Transformers paper. It exists to compare with
};

/// How ranges of values are found.
struct RangeOptions {
  RangeMethod method = RangeMethod::minmax;
  double percentile = 99.99;  ///< of RangeMethod::percentile, above 50 and below 100

  bool operator==(const RangeOptions&) const = default;
};

/// How weights become codes.
struct WeightOptions {
  /// 8; or 4, which halves what products read of memory: 4-bit codes times a whole number for each 32 inputs of a
  /// channel (docs/fixed-point.md 12). It is of the products of the body: heads, patches of pictures, tables of
  /// embeddings and products of values with extra bits keep 8. Needs per-channel scales.
  int bits = 8;

  /// Of a decoder with 4 bits, those of the head over the vocabulary: 4 or 8. Without a value 4 where logits of the
  /// first 32 samples then keep a mean cosine of 0.99 to float32.
  std::optional<int> vocabulary_bits = {};
  WeightScales scales = WeightScales::per_channel;
  WeightRounding rounding = WeightRounding::compensated;
  bool bias_correction = true;  ///< biases make up for what rounding takes from the outputs' means
};

/// What becomes of the values between products.
struct ActivationOptions {
  EqualizeMethod equalize = EqualizeMethod::os_plus;
  int channel_splits = 32;  ///< columns that channel splits of GELU and ReLU neurons may add per layer; 0: none
  ProbabilityType probabilities = ProbabilityType::automatic;
  ResidualType residual = ResidualType::int16;
  HeadType head = HeadType::int16;
};

/// What has more than 8 bits: at most one of the three.
struct PrecisionOptions {
  std::vector<ExtraBits> extra_bits = {};  ///< these; Calibrator::extra_bits() tells what can

  /// Above 0 and below 1: as few as bring the mean cosine to float32 there on the first 64 samples, first those that
  /// gain most per multiply-add; everything where nothing suffices. A tenth of what is missing from 1 is kept as a
  /// margin for other samples.
  std::optional<double> target_cosine = {};

  /// 0 to 100: as few as it takes for the model's task to lose at most so many points on the first 512 samples, points
  /// of accuracy or of 100 * Spearman's correlation where they have labels, else of answers that differ from float32's
  /// (octavo/agreement.h). First those that gain most per multiply-add, by the logits; where not even everything
  /// suffices, what loses least.
  std::optional<double> max_drop = {};
};

/// What a calibration observes, and what it makes of that. The defaults, which are those of `octavo calibrate`, lose
/// least on ordinary checkpoints.
struct CalibrationOptions {
  QuantizerPlacement quantizers = QuantizerPlacement::products;
  RangeOptions ranges = {};
  WeightOptions weights = {};
  ActivationOptions activations = {};
  PrecisionOptions precision = {};

  /// The setting of the Quantizable Transformers paper, with every one of its quantizers, in integers: one scale per
  /// weight tensor, running min-max while the quantizers are on, and none of the techniques above. It leaves no choice:
  /// a calibration refuses whatever is changed in it, by name.
  static CalibrationOptions quantizable_transformers();
};

}  // namespace octavo
