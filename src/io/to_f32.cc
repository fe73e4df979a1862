// Exact conversion of half-precision tensors to f32, without the CPU's own conversion instructions.
#include "io/safetensors.h"

#include "octavo/error.h"

#include <bit>
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

template <float (*convert)(std::uint16_t)>
void convert_all(const Tensor& tensor, std::span<float> to) {
  const auto* from = static_cast<const std::uint16_t*>(tensor.data());
  for (float& value : to) value = convert(*from++);
}

/// To as many values as the tensor has.
void convert(const Tensor& tensor, std::string_view name, std::span<float> to) {
  if (tensor.dtype() == DType::f16) return convert_all<from_f16>(tensor, to);
  if (tensor.dtype() == DType::bf16) return convert_all<from_bf16>(tensor, to);
  throw Error("Tensor " + std::string(name) + " holds " + std::string(name_of(tensor.dtype())) +
              ", expected F32, F16 or BF16.");
}

}  // namespace

Tensor to_f32(const Tensor& tensor, std::string_view name) {
  if (tensor.dtype() == DType::f32) return tensor;
  Tensor result(DType::f32, tensor.shape());
  convert(tensor, name, result.writable<float>());
  return result;
}

std::vector<float> f32_values(const Tensor& tensor, std::string_view name) {
  if (tensor.dtype() == DType::f32) return {tensor.as<float>().begin(), tensor.as<float>().end()};
  std::vector<float> result(static_cast<std::size_t>(tensor.elements()));
  convert(tensor, name, result);
  return result;
}

}  // namespace octavo
