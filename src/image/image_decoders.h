// One function per picture format. Each is handed bytes that begin as its format does.
#pragma once

#include "octavo/image.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace octavo {

/// Throws Error "is W x H pixels, ..." for more than 2^27 pixels or an empty picture; call it before memory is taken.
void check_image_size(std::uint64_t width, std::uint64_t height);

/// Messages of these begin with a verb; decode_image() puts the picture's name in front.
Image decode_jpeg(std::span<const std::byte> bytes);
Image decode_png(std::span<const std::byte> bytes);
Image decode_ppm(std::span<const std::byte> bytes);

/// EXIF orientation 1..8 of a JPEG's APP1 payload; 1 when it says nothing usable.
int exif_orientation(std::span<const std::byte> payload);

/// The picture turned and mirrored so that it stands upright.
Image upright(Image image, int orientation);

}  // namespace octavo
