// std::to_chars, which no locale changes.
#include "cli/numbers.h"

#include "octavo/error.h"

#include <charconv>
#include <cmath>
#include <cstdint>

namespace octavo::tools {

void require_finite(std::span<const float> values) {
  for (const float value : values) {
    if (!std::isfinite(value))
      throw Error("a result is not a number: what the model computes is too large for float32.");
  }
}

void append_number(std::string& text, float value) {
  char digits[32];
  text.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

void append_fixed(std::string& text, double value, int digits) {
  char buffer[400];  // the largest double has 309 digits before the point
  text.append(buffer, std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed, digits).ptr);
}

std::string fixed(double value, int digits) {
  std::string text;
  append_fixed(text, value, digits);
  return text;
}

void append_numbers(std::string& text, std::span<const float> values, char separator) {
  require_finite(values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += separator;
    append_number(text, values[i]);
  }
}

namespace {

template <typename Integer>
void append_integers(std::string& text, std::span<const Integer> values, char separator) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += separator;
    text += std::to_string(values[i]);
  }
}

}  // namespace

void append_numbers(std::string& text, std::span<const std::int8_t> values, char separator) {
  append_integers(text, values, separator);
}

void append_numbers(std::string& text, std::span<const std::uint8_t> values, char separator) {
  append_integers(text, values, separator);
}

std::string megabytes(std::uintmax_t bytes) {
  std::string text;
  append_fixed(text, static_cast<double>(bytes) / 1e6, 1);
  return text + " MB";
}

}  // namespace octavo::tools
