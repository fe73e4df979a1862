// Numbers that are no numbers: found before they spread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace octavo {

/// Index of the first NaN or infinity; the number of values when there is none. Reads each once, with vectors.
std::size_t first_not_finite(std::span<const float> values);

/// The same of 16-bit floats whose exponent is all of these bits: 0x7c00 of f16, 0x7f80 of bf16.
std::size_t first_not_finite(std::span<const std::uint16_t> values, std::uint16_t exponent);

}  // namespace octavo
