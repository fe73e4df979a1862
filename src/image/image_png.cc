// PNG by libpng: palette, grey, 16-bit and alpha become 8-bit RGB; colour profiles and gamma are not applied.
#include "image/image_decoders.h"

#include "octavo/error.h"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <png.h>
#include <string>
#include <string_view>

namespace octavo {
namespace {

struct Reader {
  std::span<const std::byte> bytes;
  std::size_t position = 0;
  char message[256] = {};
};

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto* reader = static_cast<Reader*>(png_get_error_ptr(png));
  std::snprintf(reader->message, sizeof(reader->message), "%s", message);
  png_longjmp(png, 1);
}

void ignore(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, std::size_t count) {
  auto* reader = static_cast<Reader*>(png_get_io_ptr(png));
  if (count > reader->bytes.size() - reader->position) png_error(png, "the file ends early");
  std::memcpy(out, reader->bytes.data() + reader->position, count);
  reader->position += count;
}

/// libpng's structures, always destroyed. Between setjmp() and longjmp() no object with a destructor is made.
struct Decoder {
  explicit Decoder(Reader& reader) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, fail, ignore);
    if (png) info = png_create_info_struct(png);
    if (!info) throw std::bad_alloc();
    png_set_read_fn(png, &reader, read_bytes);
  }
  ~Decoder() { png_destroy_read_struct(&png, &info, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  png_structp png = nullptr;
  png_infop info = nullptr;
};

/// Grey levels of 16 bits, which keep their value; those above 255 become 255.
bool is_deep_grey(const Decoder& d) {
  return png_get_bit_depth(d.png, d.info) == 16 && png_get_color_type(d.png, d.info) == PNG_COLOR_TYPE_GRAY;
}

bool read_header(const Decoder& d) {
  if (setjmp(png_jmpbuf(d.png)) != 0) return false;
  png_set_user_limits(d.png, 0x7fffffff, 0x7fffffff);  // check_image_size() has the last word
  png_read_info(d.png, d.info);
  if (is_deep_grey(d)) return true;
  png_set_expand(d.png);
  png_set_strip_16(d.png);
  png_set_strip_alpha(d.png);
  png_set_gray_to_rgb(d.png);
  return true;
}

bool read_pixels(const Decoder& d, std::uint8_t* pixels, std::size_t row_bytes, int height) {
  if (setjmp(png_jmpbuf(d.png)) != 0) return false;
  const int passes = png_set_interlace_handling(d.png);
  png_read_update_info(d.png, d.info);
  if (png_get_rowbytes(d.png, d.info) != row_bytes) png_error(d.png, "rows have an unexpected size");
  for (int pass = 0; pass < passes; ++pass) {
    for (int row = 0; row < height; ++row)
      png_read_row(d.png, pixels + static_cast<std::size_t>(row) * row_bytes, nullptr);
  }
  png_read_end(d.png, d.info);
  return true;
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

/// The bytes of a "Raw profile": a name and a length on lines of their own, then hexadecimal digits.
std::vector<std::byte> raw_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : text) {
    const char lower = static_cast<char>(c | 0x20);
    const int digit = c >= '0' && c <= '9' ? c - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high >= 0) bytes.push_back(static_cast<std::byte>(16 * high + digit));
    high = high >= 0 ? -1 : digit;
  }
  return bytes;
}

/// What chunks before and after the pixels say: eXIf, or texts by the names that ImageMagick and Adobe gave them.
Metadata metadata_of(const Decoder& d) {
  Metadata metadata;
  png_textp texts = nullptr;
  int count = 0;
  png_get_text(d.png, d.info, &texts, &count);
  for (const png_text& text : std::span(texts, static_cast<std::size_t>(count))) {
    const std::string_view key(text.key), value(text.text, text.itxt_length > 0 ? text.itxt_length : text.text_length);
    if (key == "Raw profile type exif" && !value.empty()) metadata.exif = raw_profile(value);
    if (key == "XML:com.adobe.xmp") metadata.xmp = bytes_of(value);
  }
  png_uint_32 size = 0;
  png_bytep exif = nullptr;
  if (png_get_eXIf_1(d.png, d.info, &size, &exif) != 0) {
    const auto bytes = std::as_bytes(std::span(exif, size));
    metadata.exif.assign(bytes.begin(), bytes.end());
  }
  return metadata;
}

}  // namespace

Image decode_png(std::span<const std::byte> bytes) {
  Reader reader{.bytes = bytes};
  const Decoder d(reader);
  if (!read_header(d)) throw Error(std::string("is a damaged PNG: ") + reader.message);
  const std::uint32_t width = png_get_image_width(d.png, d.info), height = png_get_image_height(d.png, d.info);
  check_image_size(width, height);
  const bool deep = is_deep_grey(d);
  Image image{.width = static_cast<int>(width), .height = static_cast<int>(height)};
  const std::size_t row_bytes = (deep ? 2 : 3) * std::size_t{width};
  image.pixels.resize(row_bytes * height);
  if (!read_pixels(d, image.pixels.data(), row_bytes, image.height))
    throw Error(std::string("is a damaged PNG: ") + reader.message);
  if (deep) {
    std::vector<std::uint8_t> levels(image.pixels.size() / 2);
    for (std::size_t i = 0; i < levels.size(); ++i)
      levels[i] = image.pixels[2 * i] != 0 ? 255 : image.pixels[2 * i + 1];
    image = grey_to_rgb(levels, image.width, image.height);
  }
  return upright(std::move(image), orientation_of(metadata_of(d)));
}

}  // namespace octavo
