// Binary PPM (P6) and PGM (P5), 8 and 16 bits, scaled as Pillow scales them.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>

namespace octavo {
namespace {

/// The header's numbers, with comments between them.
class Header {
 public:
  explicit Header(std::span<const std::byte> bytes) : bytes_(bytes) {}

  std::uint64_t number() {
    skip_blanks();
    std::uint64_t value = 0;
    int digits = 0;
    for (; std::isdigit(peek()); ++position_, ++digits) value = 10 * value + static_cast<std::uint64_t>(peek() - '0');
    if (digits == 0 || digits > 9) throw Error("is a damaged PPM: its header has no number where one is expected");
    return value;
  }

  /// One blank ends the header.
  std::span<const std::byte> rest() const {
    if (position_ >= bytes_.size() || !std::isspace(peek())) throw Error("is a damaged PPM: its header does not end");
    return bytes_.subspan(position_ + 1);
  }

 private:
  int peek() const { return position_ < bytes_.size() ? std::to_integer<int>(bytes_[position_]) : 0; }
  void skip_blanks() {
    while (std::isspace(peek()) || peek() == '#') {
      if (peek() == '#') {
        while (position_ < bytes_.size() && peek() != '\n') ++position_;
      } else {
        ++position_;
      }
    }
  }

  std::span<const std::byte> bytes_;
  std::size_t position_ = 2;
};

/// A sample of 0 .. largest in 8 bits. Grey of more than 8 bits becomes 16, of which what is above 255 becomes 255.
std::uint8_t level(std::uint32_t sample, std::uint32_t largest, bool grey) {
  const double top = grey && largest > 255 ? 65535 : 255;
  return static_cast<std::uint8_t>(std::min(std::nearbyint(static_cast<double>(sample) / largest * top), 255.0));
}

}  // namespace

Image decode_ppm(std::span<const std::byte> bytes) {
  Header header(bytes);
  const std::uint64_t width = header.number(), height = header.number(), largest = header.number();
  check_image_size(width, height);
  if (largest == 0 || largest > 65535) throw Error("is a damaged PPM: its largest value is " + std::to_string(largest));
  const std::span<const std::byte> samples = header.rest();
  const bool grey = bytes[1] == std::byte{'5'};
  const std::size_t count = static_cast<std::size_t>(width * height) * (grey ? 1 : 3), size = largest > 255 ? 2 : 1;
  if (samples.size() < count * size) {
    throw Error("is a damaged PPM: it has " + std::to_string(samples.size()) + " bytes of pixels, expected " +
                std::to_string(count * size));
  }
  Image image{.width = static_cast<int>(width), .height = static_cast<int>(height)};
  image.pixels.reserve(static_cast<std::size_t>(3 * width * height));
  for (std::size_t i = 0; i < count; ++i) {
    auto value = std::to_integer<std::uint32_t>(samples[i * size]);
    if (size == 2) value = 256 * value + std::to_integer<std::uint32_t>(samples[2 * i + 1]);
    image.pixels.insert(image.pixels.end(), grey ? 3 : 1, level(value, static_cast<std::uint32_t>(largest), grey));
  }
  return image;
}

}  // namespace octavo
