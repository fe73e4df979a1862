// Exact conversion of half-precision tensors to f32, without the CPU's own conversion instructions; what is not finite
// is refused.
#include "base/finite.h"
#include "io/safetensors.h"

#include "octavo/error.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace octavo {
namespace {

/// bf16 is the upper half of an f32.
float from_bf16(std::uint16_t half) { return std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16); }

/// f16: 1 sign, 5 exponent (bias 15), 10 mantissa bits. Written so that compilers turn the choice into masks and the
/// loop into vectors.
float from_f16(std::uint16_t half) {
  const std::uint32_t magnitude = half & 0x7fffu;
  const std::uint32_t sign = (half & 0x8000u) << 16;
  const std::uint32_t wide = magnitude << 13;
  // A subnormal is mantissa * 2^-24, which f32 holds as a normal number.
  const auto subnormal =
      std::bit_cast<std::uint32_t>(static_cast<float>(static_cast<std::int32_t>(magnitude)) * 0x1p-24f);
  const std::uint32_t normal = wide + ((127u - 15u) << 23);
  const std::uint32_t infinite_or_nan = wide | 0x7f800000u;
  const std::uint32_t bits = magnitude < 0x0400u ? subnormal : magnitude < 0x7c00u ? normal : infinite_or_nan;
  return std::bit_cast<float>(sign | bits);
}

/// The elements of an f16 or bf16 tensor.
std::span<const std::uint16_t> halves(const Tensor& tensor) {
  return {static_cast<const std::uint16_t*>(tensor.data()), static_cast<std::size_t>(tensor.elements())};
}

/// To as many values as the tensor has, which is f16 or bf16.
void convert(const Tensor& tensor, std::span<float> to) {
  const std::span<const std::uint16_t> from = halves(tensor);
  if (tensor.dtype() == DType::f16)
    std::transform(from.begin(), from.end(), to.begin(), from_f16);
  else
    std::transform(from.begin(), from.end(), to.begin(), from_bf16);
}

std::size_t first_bad_element(const Tensor& tensor, std::string_view name) {
  switch (tensor.dtype()) {
    case DType::f32:
      return first_not_finite(tensor.as<float>());
    case DType::f16:
      return first_not_finite(halves(tensor), 0x7c00);
    case DType::bf16:
      return first_not_finite(halves(tensor), 0x7f80);
    default:
      throw Error("Tensor " + std::string(name) + " holds " + std::string(name_of(tensor.dtype())) +
                  ", expected F32, F16 or BF16.");
  }
}

float value_at(const Tensor& tensor, std::size_t index) {
  if (tensor.dtype() == DType::f32) return tensor.as<float>()[index];
  const std::uint16_t half = halves(tensor)[index];
  return tensor.dtype() == DType::f16 ? from_f16(half) : from_bf16(half);
}

}  // namespace

void require_finite(const Tensor& tensor, std::string_view name) {
  const std::size_t index = first_bad_element(tensor, name);
  if (index == static_cast<std::size_t>(tensor.elements())) return;
  std::string place;
  std::size_t rest = index;
  for (auto dimension = tensor.shape().rbegin(); dimension != tensor.shape().rend(); ++dimension) {
    place = std::to_string(rest % static_cast<std::size_t>(*dimension)) + (place.empty() ? "" : ", ") + place;
    rest /= static_cast<std::size_t>(*dimension);
  }
  throw Error("tensor " + std::string(name) + " is " +
              (std::isnan(value_at(tensor, index)) ? "not a number" : "infinite") + " at [" + place +
              "]; weights must be numbers");
}

Tensor to_f32(const Tensor& tensor, std::string_view name) {
  require_finite(tensor, name);
  if (tensor.dtype() == DType::f32) return tensor;
  Tensor result(DType::f32, tensor.shape());
  convert(tensor, result.writable<float>());
  return result;
}

std::vector<float> f32_values(const Tensor& tensor, std::string_view name) {
  require_finite(tensor, name);
  if (tensor.dtype() == DType::f32) return {tensor.as<float>().begin(), tensor.as<float>().end()};
  std::vector<float> result(static_cast<std::size_t>(tensor.elements()));
  convert(tensor, result);
  return result;
}

}  // namespace octavo
