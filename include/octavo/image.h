// Pictures: from a file or memory to the pixels that a model takes. Integer arithmetic from the decoded bytes on.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace octavo {

/// 8-bit RGB, row by row, three bytes per pixel.
struct Image {
  int width = 0, height = 0;
  std::vector<std::uint8_t> pixels = {};  ///< width * height * 3
};

/// Decodes a JPEG, PNG or PPM/PGM picture, told apart by its first bytes. Grey and palette pictures become RGB, an
/// alpha channel is dropped, CMYK is converted, and the EXIF orientation is applied. Throws Error beginning with `name`
/// when the bytes are none of these, damaged, cut short, or of a picture with more than 2^27 pixels.
Image decode_image(std::span<const std::byte> bytes, const std::string& name = "image");

/// decode_image() of a file. Throws Error naming it when it cannot be read.
Image read_image(const std::filesystem::path& file);

/// How a picture is resized: the filters of Pillow.
enum class Interpolation { bilinear, bicubic };

/// What a model does with a picture: resize it, take the centre, and count pixels from 0 to 1, less the mean, by the
/// deviation.
struct ImageSettings {
  int width = 224, height = 224;  ///< of the centre that the model sees
  /// The resized picture. With keep_aspect its shorter edge is resize_height, and resize_width is not used.
  int resize_width = 224, resize_height = 224;
  bool keep_aspect = false;
  Interpolation interpolation = Interpolation::bicubic;
  std::array<double, 3> mean = {0.5, 0.5, 0.5},
                        deviation = {0.5, 0.5, 0.5};  ///< the engine's first product contains them
};

/// Part of a resized picture.
struct ImageWindow {
  int left = 0, top = 0, width = 0, height = 0;
};

/// Resizes with antialiasing, as Pillow's BILINEAR and BICUBIC do, and computes only `window` of the result. Throws
/// Error when a size is not positive, or the window does not lie inside.
Image resize_image(const Image& image, int width, int height, Interpolation interpolation, const ImageWindow& window);

/// The pixels that a model of these settings takes. Throws Error for a picture with fewer than two pixels along an
/// edge.
Image prepare_image(const Image& image, const ImageSettings& settings);

}  // namespace octavo
