// The one entry of EXIF and XMP that matters to a model: how the camera was held.
#include "image/image_decoders.h"

#include <algorithm>
#include <optional>
#include <string_view>

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

/// Orientation of a TIFF structure's first directory, a SHORT or a LONG.
std::optional<int> exif_orientation(std::span<const std::byte> exif) {
  constexpr std::string_view magic("Exif\0\0", 6);
  const auto begins_with_magic = [&] {
    return std::string_view(reinterpret_cast<const char*>(exif.data()), exif.size()).starts_with(magic);
  };
  for (int i = 0; i < 2 && begins_with_magic(); ++i) exif = exif.subspan(magic.size());
  const Tiff tiff(exif);
  if (tiff.half(0) != 0x4949 && tiff.half(0) != 0x4D4D) return {};
  const std::size_t directory = tiff.word(4);
  const std::uint32_t entries = tiff.half(directory);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (tiff.half(entry) != kOrientation) continue;
    constexpr std::uint32_t short_type = 3, long_type = 4;
    const std::uint32_t type = tiff.half(entry + 2);
    if (type == short_type) return static_cast<int>(tiff.half(entry + 8));
    if (type == long_type) return static_cast<int>(tiff.word(entry + 8) & 0xFFFF);
    return {};
  }
  return {};
}

/// tiff:Orientation of an XMP packet, as an attribute or an element.
std::optional<int> xmp_orientation(std::span<const std::byte> xmp) {
  const std::string_view text(reinterpret_cast<const char*>(xmp.data()), xmp.size());
  constexpr std::string_view key = "tiff:Orientation";
  for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    std::string_view value = text.substr(at + key.size());
    if (value.starts_with("=\""))
      value.remove_prefix(2);
    else if (value.starts_with(">"))
      value.remove_prefix(1);
    else
      continue;
    if (!value.empty() && value[0] >= '0' && value[0] <= '9') return value[0] - '0';
  }
  return {};
}

}  // namespace

int orientation_of(const Metadata& metadata) {
  std::optional<int> orientation = exif_orientation(metadata.exif);
  if (!orientation) orientation = xmp_orientation(metadata.xmp);
  return orientation && *orientation >= 1 && *orientation <= 8 ? *orientation : 1;
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
