// One function per picture format, and what they share. Each is handed bytes that begin as its format does.
#pragma once

#include "octavo/image.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace octavo {

/// Throws Error "is W x H pixels, ..." for more than 2^27 pixels or an empty picture; call it before memory is taken.
void check_image_size(std::uint64_t width, std::uint64_t height);

/// Messages of these begin with a verb; decode_image() puts the picture's name in front.
Image decode_jpeg(std::span<const std::byte> bytes);
Image decode_png(std::span<const std::byte> bytes);
Image decode_ppm(std::span<const std::byte> bytes);
Image decode_webp(std::span<const std::byte> bytes);
Image decode_gif(std::span<const std::byte> bytes);
Image decode_bmp(std::span<const std::byte> bytes);
Image decode_tiff(std::span<const std::byte> bytes);

/// What a picture's file says about how it is to be turned. EXIF wins over XMP where both say something.
struct Metadata {
  std::vector<std::byte> exif = {};  ///< a TIFF structure, "Exif\0\0" before it or not
  std::vector<std::byte> xmp = {};
};

/// Orientation 1..8; 1 when the metadata says nothing usable.
int orientation_of(const Metadata& metadata);

/// The picture turned and mirrored so that it stands upright.
Image upright(Image image, int orientation);

/// The colours of a palette's indices; an index beyond its end is black.
using Palette = std::array<std::array<std::uint8_t, 3>, 256>;

/// RGB from one grey level per pixel, from four inks of CMYK (no profile), or from the colours of indices.
Image grey_to_rgb(std::span<const std::uint8_t> levels, int width, int height);
Image cmyk_to_rgb(std::span<const std::uint8_t> inks, int width, int height);
Image palette_to_rgb(std::span<const std::uint8_t> indices, const Palette& palette, int width, int height);

}  // namespace octavo
