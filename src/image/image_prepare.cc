// From a decoded picture to the pixels that a model takes: its size, and the part that the model sees.
#include "octavo/error.h"
#include "octavo/image.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace octavo {
namespace {

constexpr std::int64_t kLongestEdge = 1 << 24;

struct Size {
  int width, height;
};

std::string text(std::int64_t width, std::int64_t height) {
  return std::to_string(width) + " x " + std::to_string(height) + " pixels";
}

Size resized(const Image& image, const ImageSettings& settings) {
  if (settings.resize == Resize::none) return {.width = image.width, .height = image.height};
  std::int64_t width = settings.resize_width, height = settings.resize_height;
  if (settings.resize == Resize::shortest_edge) {
    const bool wide = image.width >= image.height;
    width = wide ? height * image.width / image.height : height;
    height = wide ? height : height * image.height / image.width;
  }
  if (width > kLongestEdge || height > kLongestEdge) {
    throw Error("is " + text(image.width, image.height) + ", which cannot be resized for this model");
  }
  return {.width = static_cast<int>(width), .height = static_cast<int>(height)};
}

/// Where the centre of `part` begins in `size`; negative when it begins before.
int centre(int size, int part, Crop crop) {
  const int rest = size - part;
  if (crop == Crop::centre_down) return static_cast<int>(std::floor(rest / 2.0));
  return rest < 0 ? -(-rest / 2) : static_cast<int>(std::nearbyint(rest / 2.0));
}

/// A black picture of this size, with `part` in it.
Image on_black(const Image& part, Size size, int left, int top) {
  Image result{.width = size.width, .height = size.height};
  const std::size_t row = 3 * static_cast<std::size_t>(size.width), part_row = 3 * static_cast<std::size_t>(part.width);
  result.pixels.resize(row * static_cast<std::size_t>(size.height));
  for (std::size_t y = 0; y < static_cast<std::size_t>(part.height); ++y) {
    std::copy_n(part.pixels.data() + y * part_row, part_row,
                result.pixels.data() + (y + static_cast<std::size_t>(top)) * row + 3 * static_cast<std::size_t>(left));
  }
  return result;
}

}  // namespace

Image prepare_image(const Image& image, const ImageSettings& settings) {
  if (image.width < 1 || image.height < 1) throw Error("is " + text(image.width, image.height));
  const Size size = resized(image, settings);
  if (settings.crop == Crop::none && (size.width != settings.width || size.height != settings.height)) {
    throw Error("is " + text(image.width, image.height) + " and would enter the model as " +
                text(size.width, size.height) + ", which takes " + text(settings.width, settings.height) +
                " and has no crop in its picture settings");
  }
  const int left = centre(size.width, settings.width, settings.crop),
            top = centre(size.height, settings.height, settings.crop);
  const ImageWindow inside{.left = std::max(left, 0),
                           .top = std::max(top, 0),
                           .width = std::min(size.width, settings.width),
                           .height = std::min(size.height, settings.height)};
  // A picture that keeps its size stays as it is, whatever the filter: resizing by 1 is the identity.
  Image part = resize_image(image, size.width, size.height, settings.interpolation, inside);
  if (part.width == settings.width && part.height == settings.height) return part;
  return on_black(part, {.width = settings.width, .height = settings.height}, std::max(-left, 0), std::max(-top, 0));
}

}  // namespace octavo
