// Which format a picture has, by its first bytes, and reading it from a file.
#include "octavo/image.h"

#include "image/image_decoders.h"

#include "octavo/error.h"

#include <algorithm>
#include <fstream>
#include <string_view>

namespace octavo {
namespace {

constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 27;
constexpr std::uint64_t kMostFileBytes = std::uint64_t{1} << 30;

using Decode = Image (*)(std::span<const std::byte>);

/// How the files of a format begin, and who reads them.
struct Format {
  std::string_view begin;
  Decode decode;
};

constexpr Format kFormats[] = {{"\xFF\xD8\xFF", decode_jpeg},
                               {"\x89PNG\r\n\x1A\n", decode_png},
                               {"P5", decode_ppm},
                               {"P6", decode_ppm},
                               {"RIFF", decode_webp},
                               {"GIF87a", decode_gif},
                               {"GIF89a", decode_gif},
                               {"BM", decode_bmp},
                               {std::string_view("II*\0", 4), decode_tiff},
                               {std::string_view("MM\0*", 4), decode_tiff}};

Image decode_bytes(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 16));
  for (const Format& format : kFormats) {
    if (text.starts_with(format.begin)) return format.decode(bytes);
  }
  throw Error(bytes.empty() ? "is empty, expected a picture"
                            : "is no JPEG, PNG, WebP, GIF, BMP, TIFF or binary PPM/PGM picture");
}

}  // namespace

void check_image_size(std::uint64_t width, std::uint64_t height) {
  const std::string size = std::to_string(width) + " x " + std::to_string(height) + " pixels";
  if (width == 0 || height == 0) throw Error("is " + size + ", expected at least one");
  if (width > kMostPixels || height > kMostPixels || width * height > kMostPixels) {
    throw Error("claims to be " + size + ", at most " + std::to_string(kMostPixels) + " are read");
  }
}

Image decode_image(std::span<const std::byte> bytes, const std::string& name) {
  try {
    return decode_bytes(bytes);
  } catch (const Error& error) {
    throw Error(name + ": " + error.what());
  }
}

Image read_image(const std::filesystem::path& file) {
  std::error_code error;
  if (std::filesystem::is_directory(file, error)) throw Error(file.string() + ": is a directory, expected a picture");
  std::ifstream in(file, std::ios::binary);
  if (!in) throw Error(file.string() + ": cannot be opened");
  std::vector<char> bytes;
  char part[1 << 16];
  while (in.read(part, sizeof(part)) || in.gcount() > 0) {
    bytes.insert(bytes.end(), part, part + in.gcount());
    if (bytes.size() > kMostFileBytes) throw Error(file.string() + ": is larger than 1 GB, expected a picture");
  }
  if (in.bad()) throw Error(file.string() + ": cannot be read");
  return decode_image(std::as_bytes(std::span<const char>(bytes)), file.string());
}

}  // namespace octavo
