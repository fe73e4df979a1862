#include "quantize/quantized_heads.h"

#include "quantize/activation_value.h"

#include <algorithm>
#include <cmath>

namespace octavo {
namespace {

Quantizer symmetric(double most) { return symmetric_s16(static_cast<float>(-most), static_cast<float>(most)); }

}  // namespace

QuantizedBytes bytes_of_stream(double scale, const Quantizer& bytes) {
  const Multiplier m = make_multiplier(scale / bytes.scale);
  return {.encoding = {.scale = static_cast<float>(bytes.scale), .zero_point = bytes.zero_point},
          .multiplier = m.multiplier,
          .shift = m.shift};
}

Quantizer before_activation(double largest) { return symmetric(std::max(1.5 * largest, 1e-6)); }

ActivationTable activation_table(Activation activation, const Quantizer& input) {
  ActivationTable result{.input = input, .output = {}, .values = Tensor(DType::s16, {kActivationEntries})};
  const auto entry = [&](int i) { return activation_value(activation, (64.0 * i - 32768.0) * result.input.scale); };
  double most = 1e-6;
  for (int i = 0; i < kActivationEntries; ++i) most = std::max(most, std::abs(entry(i)));
  result.output = symmetric(activation == Activation::tanh ? 1.0 : most);
  for (int i = 0; i < kActivationEntries; ++i) {
    const double code = std::nearbyint(entry(i) / result.output.scale);
    result.values.writable<std::int16_t>()[static_cast<std::size_t>(i)] =
        static_cast<std::int16_t>(std::clamp(code, -32768.0, 32767.0));
  }
  return result;
}

double logit_step(const FloatRows& weights, const Quantizer& input) {
  float largest = 0.0f;
  for (const float w : weights.weight) largest = std::max(largest, std::abs(w));
  const double scale = weights.four_bit ? static_cast<double>(*std::ranges::max_element(weights.scales))
                                        : static_cast<double>(largest) / 127.0;
  return std::max(scale * input.scale, 1e-12);
}

}  // namespace octavo
