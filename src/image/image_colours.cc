// Grey, CMYK and palettes to RGB, with Pillow's rounding.
#include "image/image_decoders.h"

#include <algorithm>

namespace octavo {
namespace {

/// a * b / 255, rounded.
int product_of_bytes(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

Image empty(int width, int height) {
  Image image{.width = width, .height = height};
  image.pixels.resize(3 * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  return image;
}

}  // namespace

Image grey_to_rgb(std::span<const std::uint8_t> levels, int width, int height) {
  Image image = empty(width, height);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = levels[i / 3];
  return image;
}

Image cmyk_to_rgb(std::span<const std::uint8_t> inks, int width, int height) {
  Image image = empty(width, height);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t pixel = i / 3 * 4;
    const int white = 255 - inks[pixel + 3];
    image.pixels[i] = static_cast<std::uint8_t>(white - product_of_bytes(inks[pixel + i % 3], white));
  }
  return image;
}

Image palette_to_rgb(std::span<const std::uint8_t> indices, const Palette& palette, int width, int height) {
  Image image = empty(width, height);
  std::uint8_t* out = image.pixels.data();
  for (std::size_t i = 0; i < image.pixels.size() / 3; ++i) out = std::copy_n(palette[indices[i]].data(), 3, out);
  return image;
}

}  // namespace octavo
