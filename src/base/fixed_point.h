// Real numbers as integer constants: scales, zero points, multipliers and shifts (fixed-point.md, conventions and 1).
// Floats occur here because this runs when a model is quantized, never when it runs. All rounding is half to even in
// double.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// A static quantizer of activations: code = clamp(round(x / scale) + zero_point, low, high).
struct Quantizer {
  double scale = 1.0;
  std::int32_t zero_point = 0, low = 0, high = 255;
};

/// The same range in 2^bits as many codes.
Quantizer finer(const Quantizer& quantizer, int bits);

/// u8 over [low, high], widened to contain 0.
Quantizer asymmetric_u8(float low, float high);

/// s8 in [-127, 127], zero point 0.
Quantizer symmetric_s8(float low, float high);

/// s16 with one bit of headroom: scale 2 max|x| / 32767.
Quantizer symmetric_s16(float low, float high);

/// real ~ multiplier * 2^-shift with multiplier in [2^30, 2^31).
struct Multiplier {
  std::int32_t multiplier = 0;
  int shift = 33;
};
Multiplier make_multiplier(double real);

/// From differences of codes to powers of two in Q5.11 (fixed-point.md 5): multiplier in [2^15, 2^16), shift -8..23.
struct Log2Multiplier {
  int multiplier = 1 << 15, shift = 0;
};

/// `step` is what a difference of 1 is worth in an exponent of e. Throws Error that names `name` when it is too large.
Log2Multiplier make_log2_multiplier(double step, const std::string& name);

/// One common shift for all, from the largest: multiplier[i] in [0, 2^31). Below 33 the kernels shift accumulators up
/// first.
struct Multipliers {
  std::vector<std::int32_t> multiplier;
  int shift = 33;
};

/// Shift 18..62. Throws Error naming `name` when the largest needs less or is not positive.
Multipliers make_multipliers(std::span<const double> real, const std::string& name);

}  // namespace octavo
