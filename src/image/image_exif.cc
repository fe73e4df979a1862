// The one EXIF entry that matters to a model: how the camera was held.
#include "image/image_decoders.h"

#include <algorithm>
#include <cstring>

namespace octavo {
namespace {

constexpr int kOrientation = 0x0112;

/// Numbers of a TIFF structure in its own byte order; 0 beyond its end.
class Tiff {
 public:
  explicit Tiff(std::span<const std::byte> bytes) : bytes_(bytes), little_(byte(0) == 'I') {}
  std::uint32_t byte(std::size_t at) const {
    return at < bytes_.size() ? std::to_integer<std::uint32_t>(bytes_[at]) : 0;
  }
  std::uint32_t half(std::size_t at) const {
    return little_ ? byte(at) | byte(at + 1) << 8 : byte(at) << 8 | byte(at + 1);
  }
  std::uint32_t word(std::size_t at) const {
    return little_ ? half(at) | half(at + 2) << 16 : half(at) << 16 | half(at + 2);
  }

 private:
  std::span<const std::byte> bytes_;
  bool little_;
};

}  // namespace

int exif_orientation(std::span<const std::byte> payload) {
  constexpr char kMagic[] = {'E', 'x', 'i', 'f', 0, 0};
  if (payload.size() < 14 || std::memcmp(payload.data(), kMagic, sizeof(kMagic)) != 0) return 1;
  const Tiff tiff(payload.subspan(sizeof(kMagic)));
  const std::size_t directory = tiff.word(4);
  const std::uint32_t entries = tiff.half(directory);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (tiff.half(entry) != kOrientation) continue;
    const auto orientation = static_cast<int>(tiff.half(entry + 8));
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool sideways = orientation >= 5;
  Image result{.width = sideways ? image.height : image.width, .height = sideways ? image.width : image.height};
  result.pixels.resize(image.pixels.size());
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  std::uint8_t* out = result.pixels.data();
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x, out += 3) {
      int column = sideways ? y : x, row = sideways ? x : y;
      if (from_right) column = image.width - 1 - column;
      if (from_below) row = image.height - 1 - row;
      const std::size_t from =
          (static_cast<std::size_t>(row) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(column)) *
          3;
      std::copy_n(image.pixels.data() + from, 3, out);
    }
  }
  return result;
}

}  // namespace octavo
