#include "base/fixed_point.h"

#include "octavo/error.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace octavo {

Quantizer finer(const Quantizer& quantizer, int bits) {
  const int times = 1 << bits;
  return {.scale = std::ldexp(quantizer.scale, -bits),
          .zero_point = quantizer.zero_point * times,
          .low = quantizer.low * times,
          .high = quantizer.high * times + times - 1};
}

Quantizer asymmetric_u8(float low, float high) {
  const double lo = std::min(static_cast<double>(low), 0.0), hi = std::max(static_cast<double>(high), 1e-8);
  const double scale = std::max((hi - lo) / 255.0, 1e-12);
  const double zero_point = std::clamp(std::nearbyint(-lo / scale), 0.0, 255.0);
  return {.scale = scale, .zero_point = static_cast<std::int32_t>(zero_point), .low = 0, .high = 255};
}

Quantizer symmetric_s8(float low, float high) {
  const double lo = std::min(static_cast<double>(low), 0.0), hi = std::max(static_cast<double>(high), 1e-8);
  return {.scale = std::max(-lo, hi) / 127.0, .zero_point = 0, .low = -127, .high = 127};
}

Quantizer symmetric_s16(float low, float high) {
  const double largest = std::max({std::abs(static_cast<double>(low)), std::abs(static_cast<double>(high)), 1e-8});
  return {.scale = largest * 2.0 / 32767.0, .zero_point = 0, .low = -32768, .high = 32767};
}

Multiplier make_multiplier(double real) {
  int exponent = 0;
  std::frexp(real, &exponent);
  double m = std::nearbyint(std::ldexp(real, 31 - exponent));
  int shift = 31 - exponent;
  if (m == 2147483648.0) {
    m = 1073741824.0;
    --shift;
  }
  return {.multiplier = static_cast<std::int32_t>(m), .shift = shift};
}

Log2Multiplier make_log2_multiplier(double step, const std::string& name) {
  const double f = step * std::log2(std::numbers::e) * 2048.0 * 65536.0;
  int exponent = 0;
  std::frexp(f, &exponent);
  Log2Multiplier result{.multiplier = 1 << 15, .shift = 16 - exponent};
  double m = std::floor(std::ldexp(f, result.shift) + 0.5);
  if (m == 65536.0) {
    m = 32768.0;
    --result.shift;
  }
  if (result.shift < -8)
    throw Error(name + ": its attention scores are too coarse, one step is " + std::to_string(step));
  result.multiplier = static_cast<int>(m);
  result.shift = std::min(result.shift, 23);  // finer scores than that are all equal in Q11
  return result;
}

Multipliers make_multipliers(std::span<const double> real, const std::string& name) {
  const double largest = *std::max_element(real.begin(), real.end());
  const int shift = std::min(make_multiplier(largest).shift, 62);
  if (!(largest > 0.0) || shift < 18) {
    throw Error(name + ": its requantization multiplier is " + std::to_string(largest) +
                ", expected a positive number below 8192; its output range is too small for its input range");
  }
  Multipliers result{.multiplier = {}, .shift = shift};
  result.multiplier.reserve(real.size());
  for (const double r : real) {
    const double m = std::nearbyint(std::ldexp(r, shift));
    result.multiplier.push_back(static_cast<std::int32_t>(std::clamp(m, 0.0, 2147483647.0)));
  }
  return result;
}

}  // namespace octavo
