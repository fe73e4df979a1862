// Numbers as text that any program reads back, whatever the locale.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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

/// Reads numbers with commas between them, each from `lowest` to `highest`; none where one is no such number.
template <typename Number>
std::vector<Number> read_numbers(std::string_view text, Number lowest, Number highest) {
  std::vector<Number> result;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const char *first = text.data() + begin, *last = text.data() + end;
    Number value{};
    const auto [rest, error] = std::from_chars(first, last, value);
    if (first == last || error != std::errc() || rest != last || !(value >= lowest && value <= highest)) return {};
    result.push_back(value);
    begin = end + 1;
  }
  return result;
}

/// "23.1 MB".
std::string megabytes(std::uintmax_t bytes);

}  // namespace octavo::tools
