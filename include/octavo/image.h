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

/// Decodes a JPEG, PNG, WebP, GIF, BMP, TIFF or PPM/PGM picture, told apart by its first bytes, to the pixels that
/// Pillow's convert("RGB") has: grey and palette pictures become RGB, transparency is dropped, CMYK is converted
/// without a profile, 16-bit grey levels above 255 become 255, other 16-bit samples keep their upper half. Of several
/// pictures the first counts. The orientation of EXIF or XMP is applied. Throws Error beginning with `name` when the
/// bytes are none of these, damaged, cut short, of a kind that is not read, or of a picture with more than 2^27 pixels.
Image decode_image(std::span<const std::byte> bytes, const std::string& name = "image");

/// Reads a file and decodes it as decode_image() does. Throws Error as that, and when the file cannot be read; the
/// message begins with its name.
Image read_image(const std::filesystem::path& file);

/// The filters of Pillow that pictures are resized with.
enum class Interpolation { nearest, box, bilinear, hamming, bicubic, lanczos };

/// What becomes of a picture's size.
enum class Resize {
  none,           ///< it stays
  both_edges,     ///< resize_width x resize_height, whatever the shape was
  shortest_edge,  ///< the shorter edge becomes resize_height, the longer one keeps the shape and is rounded down
};

/// Which part of a resized picture the model sees. What of it lies beyond the picture is black.
enum class Crop {
  none,            ///< all of it: any other size than the model's is an Error
  centre_rounded,  ///< the centre, which begins after half of the rest, rounded half to even: torchvision, timm
  centre_down,     ///< the centre, which begins after half of the rest, rounded down: Hugging Face
};

/// What a model does with a picture: resize it, take a part, and count pixels from 0 to 1, less the mean, by the
/// deviation.
struct ImageSettings {
  int width = 224, height = 224;                ///< that the model sees
  int resize_width = 224, resize_height = 224;  ///< as `resize` uses them
  Resize resize = Resize::both_edges;
  Crop crop = Crop::centre_rounded;
  Interpolation interpolation = Interpolation::bicubic;
  std::array<double, 3> mean = {0.5, 0.5, 0.5},
                        deviation = {0.5, 0.5, 0.5};  ///< the engine's first product contains them
};

/// Part of a resized picture.
struct ImageWindow {
  int left = 0, top = 0, width = 0, height = 0;
};

/// Resizes as Pillow does, all filters but `nearest` with antialiasing, and computes only `window` of the result.
/// Throws Error when a size is not positive, or the window does not lie inside.
[[nodiscard]] Image resize_image(const Image& image, int width, int height, Interpolation interpolation,
                                 const ImageWindow& window);

/// Resizes and crops a picture to the pixels that a model of these settings takes, settings.width x settings.height.
/// Throws Error when without a crop they have another size, or when the resized picture would be more than 2^24 pixels
/// wide or high.
[[nodiscard]] Image prepare_image(const Image& image, const ImageSettings& settings);

}  // namespace octavo
