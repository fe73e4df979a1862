// Numbers as text that any program reads back, whatever the locale.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace octavo::tools {

/// Throws octavo::Error when one of them is NaN or infinite: no format should say so in words of its own.
void require_finite(std::span<const float> values);

/// The shortest decimal that reads back as the same float.
void append_number(std::string& text, float value);

/// A fixed number of digits after the point.
void append_fixed(std::string& text, double value, int digits);

/// The same as a text of its own: "0.50".
std::string fixed(double value, int digits);

/// Finite numbers with `separator` between them.
void append_numbers(std::string& text, std::span<const float> values, char separator);

void append_numbers(std::string& text, std::span<const std::int8_t> values, char separator);
void append_numbers(std::string& text, std::span<const std::uint8_t> values, char separator);

/// "23.1 MB".
std::string megabytes(std::uintmax_t bytes);

}  // namespace octavo::tools
